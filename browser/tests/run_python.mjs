// Runs Python in a built Pyodide and prints the result: `node run_python.mjs FOLDER CODE`
import { pathToFileURL } from 'node:url';

process.on('uncaughtException', (error) => {
  console.error(error.message); // not the line of Pyodide that threw it: that is a megabyte
  process.exit(1);
});

const [folder, code] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: folder });
console.log(pyodide.runPython(code));
