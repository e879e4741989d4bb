// Runs in_pyodide.py in the Pyodide of that folder: `node trim.mjs PYODIDE SOURCES_ZIP OUT_ZIP MODULE...`
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

process.on('uncaughtException', (error) => {
  console.error(error.message); // without the line of Pyodide that threw it, which is a megabyte long
  process.exit(1);
});

const [folder, sources, out, ...modules] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({
  indexURL: folder,
  stdLibURL: sources,
  env: { PYTHONHASHSEED: '0' }, // else the order of sets in the bytecode would differ each time
});
pyodide.runPython(readFileSync(new URL('in_pyodide.py', import.meta.url), 'utf8'));
pyodide.globals.get('main')(pyodide.toPy(modules));
writeFileSync(out, pyodide.FS.readFile('/trimmed.zip'));
