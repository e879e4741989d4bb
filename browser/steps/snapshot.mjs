// Starts the built Pyodide, imports the core, and writes a snapshot: `node snapshot.mjs FOLDER OUT MODULE...`
import crypto from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import { pack } from '../src/core-snapshot.js';

/**
 * @import { SnapshotConfig } from '../src/core-snapshot.js'
 *
 * @typedef {import('pyodide').PyodideConfig} PyodideConfig
 * @typedef {NonNullable<PyodideConfig['createPyodideModule']>} CreateModule
 * @typedef {{before: Uint8Array, after: Uint8Array, config: SnapshotConfig}} Seen
 */

process.on('uncaughtException', (error) => {
  console.error(error.message); // without the line of Pyodide that threw it, which is a megabyte long
  process.exit(1);
});

const [folder, out, ...modules] = process.argv.slice(2);

// The memory must be the same on every machine, so nothing in it may come from this one.
process.argv.length = 1;
process.env.TZ = 'UTC';
fix(Date, 'now', () => Date.UTC(1980, 0, 1));
fix(performance, 'now', () => 0);
fix(crypto, 'randomFillSync', (/** @type {Uint8Array} */ view) => view.fill(1));
Reflect.deleteProperty(WebAssembly, 'Suspending'); // only newer versions of Node.js have it
// Pretend to be an iPad: there Pyodide uses nothing that older machines lack.
const iPad = { userAgent: 'Ratchet', language: 'C', platform: 'MacIntel', maxTouchPoints: 5 };
fix(globalThis, 'navigator', iPad);

/** @type {typeof import('pyodide')} */
const { loadPyodide, version } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
/** @type {{default: CreateModule}} */
const { default: createModule } = await import(pathToFileURL(`${folder}/pyodide.asm.mjs`).href);
const pyodide = await loadPyodide({
  indexURL: folder,
  env: { PYTHONHASHSEED: '0' },
  _makeSnapshot: true,
});
pyodide.runPython(`import gc, ${modules}; gc.collect()`);
const { before, after, config } = await seenAround(pyodide.makeMemorySnapshot());
writeFileSync(out, pack(before, after, { version, ...config }));
process.exit(); // the second Pyodide, which we stopped, would wait for ever

/**
 * The memory of another Pyodide before and after it reads this snapshot. Then that Pyodide is
 * stopped. Our snapshot needs only what differs between the two.
 *
 * @param {Uint8Array} whole
 * @returns {Promise<Seen>}
 */
async function seenAround(whole) {
  const stop = new Error('seen enough');
  /** @type {Seen | undefined} */
  let seen;
  const started = loadPyodide({
    indexURL: folder,
    _loadSnapshot: whole,
    async createPyodideModule(settings) {
      const module = await createModule(settings);
      const { restoreSnapshot } = settings.API;
      settings.API.restoreSnapshot = (snapshot) => {
        const untouched = module.HEAPU8.slice();
        const restored = restoreSnapshot(snapshot);
        seen = { before: untouched, after: module.HEAPU8.slice(), config: restored };
        throw stop;
      };
      return module;
    },
  });
  await started.catch((error) => {
    if (error !== stop) throw error;
  });
  if (!seen) throw new Error('Pyodide did not read its snapshot');
  return seen;
}

/**
 * @param {object} object
 * @param {string} name
 * @param {unknown} value
 */
function fix(object, name, value) {
  Object.defineProperty(object, name, { value });
}
