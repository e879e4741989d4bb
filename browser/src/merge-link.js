// A page's link to the worker that merges: one worker for all pages of this site, where possible.
//
//   shared    a SharedWorker: the browser itself keeps one for all pages
//   leading   in browsers without SharedWorker: one page holds a lock and runs a worker; all pages
//             talk to the worker over a channel; when that page goes, the next one gets the lock
//   own       a worker for this page alone

/** @import { FromPage, FromWorker } from './merge-protocol.js' */

/**
 * @typedef {'shared' | 'leading' | 'own'} Kind
 *
 * @typedef {object} Link
 * @property {(message: FromPage) => void} post
 * @property {() => void} close
 *
 * @typedef {object} LinkEvents
 * @property {(message: FromWorker) => void} received
 * @property {(why: string) => void} broken there is no worker at the other end, or it is gone
 */

const SCRIPT = new URL('merge-worker.js', import.meta.url);
// The script's address names its build: a newer page must not talk to an older worker.
const NAME = `ratchet-merge ${SCRIPT.pathname}`;

/** @type {Record<Kind, (events: LinkEvents) => Link>} */
const OPEN = { shared: openShared, leading: openLeading, own: openOwn };

/**
 * The kinds of link that this browser has, the best first.
 *
 * @returns {Kind[]}
 */
export function linkKinds() {
  const has = (/** @type {string} */ name) => {
    try {
      return typeof Reflect.get(globalThis, name) === 'function';
    } catch {
      return false; // refused, which is as good as missing
    }
  };
  /** @type {Kind[]} */
  const kinds = [];
  if (has('SharedWorker')) kinds.push('shared');
  if (has('Worker') && has('BroadcastChannel') && 'locks' in navigator) kinds.push('leading');
  // Always include `own`: where there are no workers at all, its failure says so.
  return [...kinds, 'own'];
}

/**
 * Opens a link. Throws if the browser refuses.
 *
 * @param {Kind} kind
 * @param {LinkEvents} events
 * @returns {Link}
 */
export const openLink = (kind, events) => OPEN[kind](events);

/**
 * @param {LinkEvents} events
 * @returns {Link}
 */
function openShared(events) {
  const worker = new SharedWorker(SCRIPT, { type: 'module', name: NAME });
  worker.onerror = (event) => reportBroken(event, events);
  worker.port.onmessage = ({ data }) => events.received(data);
  return {
    post: (message) => worker.port.postMessage(message),
    close() {
      worker.onerror = null;
      worker.port.onmessage = null;
      worker.port.postMessage({ type: 'bye' });
      worker.port.close();
    },
  };
}

/**
 * @param {LinkEvents} events
 * @returns {Link}
 */
function openLeading(events) {
  const channel = new BroadcastChannel(NAME);
  const from = crypto.getRandomValues(new Uint32Array(4)).join('-');
  channel.onmessage = ({ data: { to, message } }) => {
    if (to === from || to === 'all') events.received(message);
  };
  const waiting = new AbortController();
  /** @type {Worker | undefined} */
  let worker;
  /** Ends our turn, so that another page can lead. */
  let resign = () => {};
  navigator.locks
    .request(NAME, { signal: waiting.signal }, () => {
      worker = new Worker(SCRIPT, { type: 'module', name: `channel ${NAME}` });
      worker.onerror = (event) => reportBroken(event, events);
      return new Promise((resolve) => {
        resign = () => resolve(undefined);
      });
    })
    .catch((error) => {
      if (!waiting.signal.aborted) events.broken(String(error));
    });
  const post = (/** @type {FromPage} */ message) => channel.postMessage({ from, message });
  return {
    post,
    close() {
      post({ type: 'bye' });
      channel.close();
      waiting.abort();
      worker?.terminate();
      resign();
    },
  };
}

/**
 * @param {LinkEvents} events
 * @returns {Link}
 */
function openOwn(events) {
  const worker = new Worker(SCRIPT, { type: 'module' });
  worker.onerror = (event) => reportBroken(event, events);
  worker.onmessage = ({ data }) => events.received(data);
  return {
    post: (message) => worker.postMessage(message),
    close() {
      worker.onerror = null;
      worker.onmessage = null;
      worker.terminate();
    },
  };
}

/**
 * @param {Event} event an ErrorEvent when a script threw; a plain one when it did not load
 * @param {LinkEvents} events
 */
function reportBroken(event, events) {
  event.preventDefault(); // the panel shows it; an error in the console would help no viewer
  const message = event instanceof ErrorEvent ? event.message : '';
  events.broken(message || 'the worker did not load');
}
