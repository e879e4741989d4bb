// The core in the browser: Pyodide, and from the project's own wheel the one function it needs.
//
// Pyodide checks the wheel against the sha256 in pyodide-lock.json, which is part of this build.
'use strict';

/**
 * @typedef {(video: string, counter: string, folded: string, received: string) => string} Merge
 *   `ratchet.passive.merge`: synchronous, so a storage transaction stays open across it. Throws
 *   when `received` is no snapshot of `video`.
 */

/** @returns {Promise<Merge>} */
export async function loadMerge() {
  const { loadPyodide } = await import('./pyodide/pyodide.mjs');
  const base = new URL('./', import.meta.url).href;
  /** @type {string[]} */
  const complaints = [];
  const pyodide = await loadPyodide({
    indexURL: `${base}pyodide/`,
    lockFileURL: `${base}pyodide/pyodide-lock.json`,
    packageBaseUrl: `${base}pyodide/`,
    packages: ['ratchet-core'],
    stdout: () => {},
    stderr: (line) => complaints.push(line),
  });
  // A wheel that was not loaded is only complained of; what fails is the import.
  if (!('ratchet-core' in pyodide.loadedPackages)) throw new Error(complaints.join(' ') || 'no core wheel');
  return pyodide.pyimport('ratchet.passive').merge;
}
