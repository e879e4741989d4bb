// Shows under the number since when no message has come. Shows nothing while all is well.

/**
 * @import { Silence } from './live.js'
 * @import { Network } from './network.js'
 */

// Reconnecting takes a moment, and viewers need not read about it.
const AFTER_MS = 4_000;

/**
 * @param {HTMLElement} element
 * @param {Network} network
 */
export function liveState(element, network) {
  const time = clock();
  /** @type {Date | undefined} */
  let since;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  const show = () => {
    const why = network.isOffline() ? 'Offline' : 'Not connected';
    element.textContent = `${why} since ${time.format(since)}. This is the last number received.`;
  };
  return {
    received() {
      clearTimeout(waiting);
      since = undefined;
      if (element.textContent) element.textContent = '';
    },
    /** @param {Silence} why */
    lost(why) {
      since ??= new Date();
      clearTimeout(waiting);
      if (why === 'connecting') waiting = setTimeout(show, element.textContent ? 0 : AFTER_MS);
      else if (why === 'paused') element.textContent = `Paused since ${time.format(since)}.`;
    },
  };
}

/**
 * Times as the reader writes them. (One browser named languages that it does not know itself.)
 */
function clock() {
  /** @type {Intl.DateTimeFormatOptions} */
  const shape = { hour: '2-digit', minute: '2-digit' };
  try {
    return new Intl.DateTimeFormat([...navigator.languages], shape);
  } catch {
    return new Intl.DateTimeFormat(undefined, shape);
  }
}
