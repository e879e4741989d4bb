// How a page and its worker learn that the other one is gone: a dead worker closes nothing and sends nothing.
//
// Each holds a lock under a name of its own as long as it lives. The browser grants that lock to
// the next one who asks when this life ends, however it ends.

/**
 * Holds a lock as long as this page or worker lives.
 *
 * @param {(name: string) => void} [held] called once the lock is really held: the other side must
 *   not ask for it before, or it would take this life for one that is over
 * @returns {{name: string, end: () => void}} the lock's name, empty where the browser has no locks;
 *   and a way to end this life early
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
 * @param {string} name empty for a life that nobody can watch
 * @param {() => void} gone
 * @returns {() => void} stops waiting for it
 */
export function onDeath(name, gone) {
  if (!name || !navigator.locks) return () => {};
  const waiting = new AbortController();
  // It rejects when it is stopped, or refused.
  navigator.locks.request(name, { signal: waiting.signal }, gone).catch(() => {});
  return () => waiting.abort();
}
