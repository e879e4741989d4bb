// The plain way to the first merge: Pyodide with its whole library, and a wheel.

/** @returns {Promise<(video: string, counter: string, folded: string, received: string) => string>} */
export async function loadMerge() {
  const { loadPyodide } = await import('./pyodide/pyodide.mjs');
  const folder = new URL('./pyodide/', import.meta.url).href;
  const pyodide = await loadPyodide({
    indexURL: folder,
    lockFileURL: `${folder}pyodide-lock.json`,
    packageBaseUrl: folder,
    packages: ['ratchet-views-core'],
  });
  return pyodide.pyimport('ratchet.passive').merge;
}
