// A tab's way to the worker that merges: one worker for all tabs of this site, where that can be had.
//
//   shared    a SharedWorker: the browser itself keeps one for all tabs
//   leading   one tab holds a lock and runs a worker; all tabs talk to it over a channel; when
//             that tab goes, the next one gets the lock (browsers without SharedWorker)
//   own       a worker of this tab alone

const SCRIPT = new URL('merge-worker.js', import.meta.url);
// One name a build: a newer page must not talk to an older worker.
const NAME = `ratchet-merge ${SCRIPT.pathname}`;

/**
 * @typedef {object} Link
 * @property {string} way 'shared', 'leading' or 'own'
 * @property {(message: object) => void} post
 * @property {() => void} close
 */

/**
 * @typedef {object} Ends what the worker's side does
 * @property {(message: any) => void} heard
 * @property {(why: string) => void} broke there is no worker at the other end (any more)
 */

/** @type {{[way: string]: (ends: Ends) => Link}} */
const WAYS = { shared, leading, own };

/**
 * The ways that this browser has, the best first.
 *
 * @returns {string[]}
 */
export function ways() {
  const has = (/** @type {string} */ name) => {
    try {
      return typeof Reflect.get(globalThis, name) === 'function';
    } catch {
      return false; // refused, which is as good as missing
    }
  };
  return [
    has('SharedWorker') && 'shared',
    has('Worker') && has('BroadcastChannel') && 'locks' in navigator && 'leading',
    'own', // which tells, by its failure, that there are no workers here
  ].filter((way) => way !== false);
}

/**
 * Throws where the browser refuses.
 *
 * @param {string} way
 * @param {Ends} ends
 * @returns {Link}
 */
export const openLink = (way, ends) => WAYS[way](ends);

/** @param {Ends} ends @returns {Link} */
function shared(ends) {
  const worker = new SharedWorker(SCRIPT, { type: 'module', name: NAME });
  worker.onerror = (event) => broken(event, ends);
  worker.port.onmessage = ({ data }) => ends.heard(data);
  return {
    way: 'shared',
    post: (message) => worker.port.postMessage(message),
    close() {
      worker.onerror = worker.port.onmessage = null;
      worker.port.postMessage({ does: 'bye' });
      worker.port.close();
    },
  };
}

/** @param {Ends} ends @returns {Link} */
function leading(ends) {
  const channel = new BroadcastChannel(NAME);
  const from = crypto.getRandomValues(new Uint32Array(4)).join('-');
  channel.onmessage = ({ data: { to, message } }) => {
    if (to === from || to === 'all') ends.heard(message);
  };
  const waits = new AbortController();
  /** @type {Worker | undefined} */
  let worker;
  /** Ends our turn, so that another tab may lead. @type {() => void} */
  let resign = () => {};
  navigator.locks
    .request(NAME, { signal: waits.signal }, () => {
      worker = new Worker(SCRIPT, { type: 'module', name: `channel ${NAME}` });
      worker.onerror = (event) => broken(event, ends);
      return new Promise((done) => {
        resign = () => done(undefined);
      });
    })
    .catch((error) => waits.signal.aborted || ends.broke(String(error)));
  const post = (/** @type {object} */ message) => channel.postMessage({ from, message });
  return {
    way: 'leading',
    post,
    close() {
      post({ does: 'bye' });
      channel.close();
      waits.abort();
      worker?.terminate();
      resign();
    },
  };
}

/** @param {Ends} ends @returns {Link} */
function own(ends) {
  const worker = new Worker(SCRIPT, { type: 'module' });
  worker.onerror = (event) => broken(event, ends);
  worker.onmessage = ({ data }) => ends.heard(data);
  return {
    way: 'own',
    post: (message) => worker.postMessage(message),
    close() {
      worker.onerror = worker.onmessage = null;
      worker.terminate();
    },
  };
}

/**
 * @param {Event | ErrorEvent} event
 * @param {Ends} ends
 */
function broken(event, ends) {
  event.preventDefault(); // said in the panel, not in red in the console
  ends.broke(('message' in event && event.message) || 'the worker did not load');
}
