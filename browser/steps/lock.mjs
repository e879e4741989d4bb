// Runs lock_in_pyodide.py in that Pyodide: `node lock.mjs PYODIDE LIBRARIES WHEEL OUT`
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';

process.on('uncaughtException', (error) => {
  console.error(error.message); // without the line of Pyodide that threw it, which is a megabyte long
  process.exit(1);
});

const [folder, libraries, wheel, out] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: folder });
pyodide.FS.mkdir('/libraries');
pyodide.mountNodeFS('/libraries', libraries);
const { info } = JSON.parse(readFileSync(`${folder}/pyodide-lock.json`, 'utf8'));
const inside = `/${basename(wheel)}`;
pyodide.FS.writeFile(inside, readFileSync(wheel));
pyodide.runPython(readFileSync(new URL('lock_in_pyodide.py', import.meta.url), 'utf8'));
writeFileSync(out, pyodide.globals.get('main')(JSON.stringify(info), inside));
