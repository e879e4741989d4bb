// Starts the built Pyodide, imports the core and writes the memory: `node snapshot.mjs FOLDER OUT MODULE...`
import crypto from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import { pack } from '../src/core-snapshot.js';

process.on('uncaughtException', (error) => {
  console.error(error.message); // and not the line of Pyodide that threw it: that is a megabyte
  process.exit(1);
});

const [folder, out, ...modules] = process.argv.slice(2);

// The same memory on every machine: nothing in it may come from this one.
process.argv.length = 1;
process.env.TZ = 'UTC';
fix(Date, 'now', () => Date.UTC(1980, 0, 1));
fix(performance, 'now', () => 0);
fix(crypto, 'randomFillSync', (view) => view.fill(1));
delete WebAssembly.Suspending; // newer Node.js has it
// On an iPad, Pyodide uses nothing that older machines lack.
const iPad = { userAgent: 'Ratchet', language: 'C', platform: 'MacIntel', maxTouchPoints: 5 };
fix(globalThis, 'navigator', iPad);

const { loadPyodide, version } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const { default: createModule } = await import(pathToFileURL(`${folder}/pyodide.asm.mjs`).href);
const pyodide = await loadPyodide({
  indexURL: folder,
  env: { PYTHONHASHSEED: '0' },
  _makeSnapshot: true,
});
pyodide.runPython(`import gc, ${modules}; gc.collect()`);
const whole = pyodide.makeMemorySnapshot();

// Another one is stopped where it would read it: what is in its memory by then needs no place in ours.
const stop = new Error('seen enough');
const seen = {};
const started = loadPyodide({
  indexURL: folder,
  _loadSnapshot: whole,
  async createPyodideModule(settings) {
    const module = await createModule(settings);
    const { restoreSnapshot } = settings.API;
    settings.API.restoreSnapshot = (snapshot) => {
      seen.before = module.HEAPU8.slice();
      seen.config = restoreSnapshot(snapshot);
      seen.after = module.HEAPU8.slice();
      throw stop;
    };
    return module;
  },
});
await started.catch((error) => {
  if (error !== stop) throw error;
});
writeFileSync(out, pack(seen.before, seen.after, { version, ...seen.config }));
process.exit(); // what was stopped would wait for ever

function fix(object, name, value) {
  Object.defineProperty(object, name, { value });
}
