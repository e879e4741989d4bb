// Starts Pyodide: from fetched files, or from kept files and the kept snapshot.

/** @import { PyodideAPI } from 'pyodide' */

import { SNAPSHOT, WASM } from './core-kept.js';
import { unpack } from './core-snapshot.js';

/**
 * @param {Map<string, Response>} [kept]
 * @returns {Promise<PyodideAPI>}
 */
export async function startPyodide(kept) {
  // Request all files at once. Pyodide by itself requests one after the other.
  const compiling = WebAssembly.compileStreaming(kept?.get(WASM) ?? fetch(WASM));
  const assembling = import('./pyodide/pyodide.asm.mjs');
  const unpacking = kept?.get(SNAPSHOT)?.arrayBuffer().then(unpack);
  // Each promise is awaited later, and its error is thrown there.
  for (const early of [compiling, assembling, unpacking]) early?.catch(() => {});

  const { loadPyodide, version } = await import('./pyodide/pyodide.mjs');
  const { failed, giveBack } = lend(compiling, kept);
  const started = loadPyodide({
    indexURL: new URL('./pyodide/', import.meta.url).href,
    stdout: () => {},
    stderr: () => {},
    // Pyodide only checks that there is a snapshot; createPyodideModule reads it.
    _loadSnapshot: unpacking?.then(() => new Uint8Array()),
    async createPyodideModule(settings) {
      const { default: createModule } = await assembling;
      const module = await createModule(settings);
      const snapshot = await unpacking;
      if (!snapshot) return module;
      // In the memory of another version, the snapshot could do anything.
      if (snapshot.config.version !== version) {
        throw new Error('this snapshot is of another Pyodide');
      }
      settings.API.restoreSnapshot = () => {
        snapshot.restore(module.HEAPU8);
        return snapshot.config;
      };
      return module;
    },
  });
  return Promise.race([started, failed]).finally(giveBack);
}

/**
 * While Pyodide starts, gives it the files that are already on their way, and notices when its
 * WebAssembly fails to load. Pyodide swallows that error, and would wait for ever.
 *
 * @param {Promise<WebAssembly.Module>} compiling
 * @param {Map<string, Response>} [kept]
 */
function lend(compiling, kept) {
  const { fetch } = self;
  const { instantiateStreaming } = WebAssembly;
  /** @type {Promise<never>} */
  const failed = new Promise((_resolve, reject) => {
    compiling.catch(reject);
    WebAssembly.instantiateStreaming = async (_response, imports) => {
      const module = await compiling;
      return { module, instance: await WebAssembly.instantiate(module, imports) };
    };
  });
  self.fetch = async (input, options) => {
    const url = String(input);
    return url === WASM ? new Response() : (kept?.get(url) ?? fetch(input, options));
  };
  return {
    failed,
    giveBack() {
      self.fetch = fetch;
      WebAssembly.instantiateStreaming = instantiateStreaming;
    },
  };
}
