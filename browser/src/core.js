// The core in the browser: Pyodide, trimmed to what the core needs, started from a snapshot if one is kept.
//
// The first start of a build is a plain one. Some seconds later, the page fetches a snapshot and
// keeps it for the next start. A snapshot may be missing, damaged, or refused by Pyodide, whose
// interface for snapshots is not public. Then the start is a plain one again, which only costs
// time.

/** @import { PyodideAPI } from 'pyodide' */

import { forgetIt, keepIt, whatIsKept } from './core-kept.js';
import { startPyodide } from './core-start.js';

/**
 * @typedef {(video: string, counter: string, folded: string, received: string) => string} Merge
 *   `ratchet.passive.merge`. It is synchronous, so a storage transaction stays open across it. Throws
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
 * Pyodide with the package `ratchet` to import, and `how` it was started. It has no event loop, so
 * there is nothing to await, and it cannot load other packages. Call it once.
 *
 * @returns {Promise<{pyodide: PyodideAPI, how: 'snapshot' | 'plain'}>}
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
