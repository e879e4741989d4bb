// How one side learns that the other is gone for good: a dead worker closes nothing and says nothing.
//
// Whoever lives holds a lock under a name of its own; it is granted to others when that life ends,
// however it ends.
'use strict';

/**
 * Holds a lock for as long as this page or worker lives.
 *
 * @returns {string} its name; empty where the browser has no locks
 */
export function holdLife() {
  if (!navigator.locks) return '';
  const name = `ratchet-life ${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  void navigator.locks.request(name, () => new Promise(() => {})).catch(() => {});
  return name;
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
