// The core in the browser: Pyodide, trimmed to what the core needs, and started from a snapshot if one is kept.
//
// The first start of a build is the plain one. Then, with the page long at work, a snapshot is
// fetched and kept for the next. One that is missing, damaged or refused by Pyodide (its interface
// for them is not public) costs nothing but time: the start is the plain one again.

import { forgetIt, keepIt, whatIsKept } from './core-kept.js';
import { startPyodide } from './core-start.js';

/**
 * @typedef {(video: string, counter: string, folded: string, received: string) => string} Merge
 *   `ratchet.passive.merge`: synchronous, so a storage transaction stays open across it. Throws
 *   when `received` is no snapshot of `video`.
 */

// The clip, the poster and the number go first.
const KEEP_AFTER_MS = 3000;

/** The one function that a page needs. @returns {Promise<Merge>} */
export async function loadMerge() {
  const { pyodide } = await loadCore();
  return pyodide.pyimport('ratchet.passive').merge;
}

/**
 * Pyodide, with the package `ratchet` to import; `how` it came to be. There is no event loop in it,
 * so nothing to await, and no way to load other packages. To be called once.
 *
 * @returns {Promise<{pyodide: any, how: 'snapshot' | 'plain'}>}
 */
export async function loadCore() {
  const kept = await whatIsKept();
  if (kept) {
    try {
      return { pyodide: await startPyodide(kept), how: 'snapshot' };
    } catch {
      await forgetIt();
    }
  }
  const pyodide = await startPyodide();
  setTimeout(() => void keepIt().catch(() => {}), KEEP_AFTER_MS);
  return { pyodide, how: 'plain' };
}
