// Starts Pyodide: from its files, or from what is kept of them and the snapshot among it.

import { SNAPSHOT, WASM } from './core-kept.js';
import { unpack } from './core-snapshot.js';

/**
 * @param {Map<string, Response>} [kept]
 * @returns {Promise<any>} Pyodide
 */
export async function startPyodide(kept) {
  // All at once. Left to itself, Pyodide asks for one after the other.
  const compiling = WebAssembly.compileStreaming(kept?.get(WASM) ?? fetch(WASM));
  const assembling = import('./pyodide/pyodide.asm.mjs');
  const unpacking = kept?.get(SNAPSHOT)?.arrayBuffer().then(unpack);
  // What fails is told where it is awaited, which may be later.
  for (const early of [compiling, assembling, unpacking]) early?.catch(() => {});

  const { loadPyodide, version } = await import('./pyodide/pyodide.mjs');
  const { failed, giveBack } = lend(compiling, kept);
  const started = loadPyodide({
    indexURL: new URL('./pyodide/', import.meta.url).href,
    stdout: () => {},
    stderr: () => {},
    // Only that there is one counts; it is read below.
    _loadSnapshot: unpacking?.then(() => new Uint8Array()),
    /** @param {any} settings */
    async createPyodideModule(settings) {
      const { default: createModule } = await assembling;
      const module = await createModule(settings);
      const snapshot = await unpacking;
      // In the memory of another one anything may happen.
      if (snapshot && snapshot.config.version !== version)
        throw new Error('this snapshot is of another Pyodide');
      settings.API.restoreSnapshot = () => {
        snapshot?.restore(module.HEAPU8);
        return snapshot?.config;
      };
      return module;
    },
  });
  return Promise.race([started, failed]).finally(giveBack);
}

/**
 * While Pyodide starts: lets it have what is already coming, and hears what it keeps to itself,
 * that its WebAssembly doesn't come. It would wait for ever then.
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
    WebAssembly.instantiateStreaming = async (_answer, imports) => {
      const module = await compiling;
      return { module, instance: await WebAssembly.instantiate(module, imports) };
    };
  });
  self.fetch = async (asked, options) => {
    const url = String(asked);
    return url === WASM ? new Response() : (kept?.get(url) ?? fetch(asked, options));
  };
  return {
    failed,
    giveBack() {
      self.fetch = fetch;
      WebAssembly.instantiateStreaming = instantiateStreaming;
    },
  };
}
