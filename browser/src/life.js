// How a page and its worker learn that the other one is gone: a dead worker closes nothing and sends nothing.
//
// Each holds a lock under a name of its own while it lives. The other one requests the same lock.
// The browser grants it when the first life ends, however it ends.

/**
 * Holds a lock while this page or worker lives.
 *
 * @param {(name: string) => void} [held] called once the lock is really held. The other side must
 *   not request it before: it would get the lock, and think that this life is over
 * @returns {{name: string, end: () => void}} the lock's name, which is empty if the browser has no
 *   locks; and a way to end this life early
 */
export function holdLife(held = () => {}) {
  if (!navigator.locks) return { name: '', end() {} };
  const name = `ratchet-life ${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  const ended = new AbortController();
  const live = () =>
    new Promise((resolve) => {
      if (ended.signal.aborted) {
        resolve(undefined);
        return;
      }
      ended.signal.addEventListener('abort', resolve);
      held(name);
    });
  navigator.locks.request(name, live).catch(() => {});
  return { name, end: () => ended.abort() };
}

/**
 * Calls `gone` when the life of this name ends.
 *
 * @param {string} name empty for a life that can't be watched
 * @param {() => void} gone
 * @returns {() => void} stops waiting
 */
export function onDeath(name, gone) {
  if (!name || !navigator.locks) return () => {};
  const waiting = new AbortController();
  // The request rejects when we stop waiting, or when the browser refuses it.
  navigator.locks.request(name, { signal: waiting.signal }, gone).catch(() => {});
  return () => waiting.abort();
}
