// Keeps Pyodide's unpacked files between visits, and a snapshot of its memory after the start.
//
// They are kept in Cache Storage: reading them there takes a third of the time that it takes with
// the browser's own cache, which has to unpack them. Where Cache Storage is refused, or the
// connection is not secure, nothing is kept.

const FOLDER = new URL('./pyodide/', import.meta.url).href;
export const SNAPSHOT = `${FOLDER}started.snapshot`;
export const WASM = `${FOLDER}pyodide.asm.wasm`;
const FILES = [SNAPSHOT, WASM, `${FOLDER}python_stdlib.zip`];
const CACHE = 'ratchet-core';

/**
 * All files of this build by their addresses; undefined unless all of them are kept.
 *
 * @returns {Promise<Map<string, Response> | undefined>}
 */
export async function whatIsKept() {
  try {
    /** @type {Map<string, Response>} */
    const kept = new Map();
    await Promise.all(
      FILES.map(async (file) => {
        const response = await caches.match(file);
        if (response) kept.set(file, response);
      }),
    );
    return kept.size === FILES.length ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Fetches the files for the next visit, with low priority. */
export async function keepIt() {
  if (navigator.connection?.saveData || (await whatIsKept())) return;
  await forgetIt(); // files of other builds
  const requests = FILES.map((file) => new Request(file, { priority: 'low' }));
  await (await caches.open(CACHE)).addAll(requests);
}

export async function forgetIt() {
  await caches.delete(CACHE);
}
