// What is kept of Pyodide between visits: the files that it loads, unpacked, and a snapshot of it, started.
//
// They are kept in Cache Storage, which takes a third of the time that the browser's own cache takes
// to unpack them. Where Cache Storage is refused (or the connection is not secure) nothing is kept.

const FOLDER = new URL('./pyodide/', import.meta.url).href;
export const SNAPSHOT = `${FOLDER}started.snapshot`;
export const WASM = `${FOLDER}pyodide.asm.wasm`;
const FILES = [SNAPSHOT, WASM, `${FOLDER}python_stdlib.zip`];
const CACHE = 'ratchet-core';

/**
 * All files of this build by their addresses, or nothing.
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

/** Fetches them for the next visit, after everything that is more urgent. */
export async function keepIt() {
  if (navigator.connection?.saveData || (await whatIsKept())) return;
  await forgetIt(); // what is left of other builds
  const requests = FILES.map((file) => new Request(file, { priority: 'low' }));
  await (await caches.open(CACHE)).addAll(requests);
}

export async function forgetIt() {
  await caches.delete(CACHE);
}
