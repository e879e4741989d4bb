// Runs merges.py in Pyodide under Node: `node pyodide_merges.mjs PYODIDE_FOLDER CORE_SRC MERGES_PY`.
import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [folder, core, script] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${folder}/` });
pyodide.FS.mkdirTree('/core/ratchet');
for (const name of readdirSync(`${core}/ratchet`).filter((file) => file.endsWith('.py'))) {
  pyodide.FS.writeFile(`/core/ratchet/${name}`, readFileSync(`${core}/ratchet/${name}`));
}
pyodide.FS.writeFile('/core/merges.py', readFileSync(script));
pyodide.runPython('import sys; sys.path.insert(0, "/core"); import merges');
console.log(pyodide.runPython('merges.rate()'));
