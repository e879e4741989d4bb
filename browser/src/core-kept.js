// What is kept of Pyodide between visits: the files it loads, unpacked, and a snapshot of it started.
//
// In Cache Storage, from which they come in a third of the time that the browser's own cache takes
// to unpack them. Where it is refused (or the connection isn't secure) nothing is kept.

const FOLDER = new URL('./pyodide/', import.meta.url).href;
export const SNAPSHOT = `${FOLDER}started.snapshot`;
export const WASM = `${FOLDER}pyodide.asm.wasm`;
const FILES = [SNAPSHOT, WASM, `${FOLDER}python_stdlib.zip`];
const CACHE = 'ratchet-core';

/** All of it for this build, or nothing. @returns {Promise<Map<string, Response> | undefined>} */
export async function whatIsKept() {
  try {
    const answers = await Promise.all(FILES.map((file) => caches.match(file)));
    return answers.every(Boolean)
      ? new Map(answers.map((answer, n) => [FILES[n], answer]))
      : undefined;
  } catch {
    return undefined;
  }
}

/** Fetches it for the next visit, after all that is more urgent. */
export async function keepIt() {
  if (navigator.connection?.saveData || (await whatIsKept())) return;
  await forgetIt(); // what is left of other builds
  const requests = FILES.map((file) => new Request(file, { priority: 'low' }));
  await (await caches.open(CACHE)).addAll(requests);
}

export async function forgetIt() {
  await caches.delete(CACHE);
}
