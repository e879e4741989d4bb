// How one side learns that the other is gone for good: a dead worker closes nothing and says nothing.
//
// Whoever lives holds a lock under a name of its own; it is granted to others when that life ends,
// however it ends.

/**
 * Holds a lock for as long as this page or worker lives.
 *
 * @param {(name: string) => void} [held] told when it is really held: whoever asked for it before
 *   would take this life for one that is over
 * @returns {{name: string, end: () => void}} its name, empty where the browser has no locks; and what
 *   ends the life early
 */
export function holdLife(held = () => {}) {
  if (!navigator.locks) return { name: '', end() {} };
  const name = `ratchet-life ${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  const ended = new AbortController();
  const live = () =>
    new Promise((end) => {
      if (ended.signal.aborted) return end(undefined);
      ended.signal.addEventListener('abort', end);
      held(name);
    });
  void navigator.locks.request(name, live).catch(() => {});
  return { name, end: () => ended.abort() };
}

/**
 * @param {string} name whose life it is
 * @param {() => void} gone
 * @returns {() => void} stops the waiting
 */
export function onDeath(name, gone) {
  if (!name || !navigator.locks) return () => {};
  const waits = new AbortController();
  navigator.locks.request(name, { signal: waits.signal }, gone).catch(() => {}); // stopped, or refused
  return () => waits.abort();
}
