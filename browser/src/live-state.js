// Says under the number since when nothing has been heard; says nothing while all is well.

// Reconnecting takes a moment, and nobody needs to read of it.
const AFTER_MS = 4_000;

/**
 * @param {HTMLElement} element
 */
export function liveState(element) {
  const time = clock();
  /** @type {Date | undefined} */
  let since;
  let waiting = 0;
  const say = () => {
    const why = navigator.onLine ? 'Not connected' : 'Offline';
    element.textContent = `${why} since ${time.format(since)}. This is the last number heard.`;
  };
  return {
    heard() {
      clearTimeout(waiting);
      since = undefined;
      if (element.textContent) element.textContent = '';
    },
    /** @param {'connecting' | 'paused' | 'unseen'} state */
    lost(state) {
      since ??= new Date();
      clearTimeout(waiting);
      if (state === 'connecting') waiting = setTimeout(say, element.textContent ? 0 : AFTER_MS);
      else if (state === 'paused') element.textContent = `Paused since ${time.format(since)}.`;
    },
  };
}

/** In the reader's way; a browser has been seen to name languages that it doesn't know itself. */
function clock() {
  /** @type {Intl.DateTimeFormatOptions} */
  const shape = { hour: '2-digit', minute: '2-digit' };
  try {
    return new Intl.DateTimeFormat([...navigator.languages], shape);
  } catch {
    return new Intl.DateTimeFormat(undefined, shape);
  }
}
