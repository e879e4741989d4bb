// Runs Python in a built Pyodide and prints what it answers: `node run_python.mjs FOLDER CODE`
import { pathToFileURL } from 'node:url';

const [folder, code] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: folder });
console.log(pyodide.runPython(code));
