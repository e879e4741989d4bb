// Runs pytest in a Pyodide, and prints the report: `node core_in_pyodide.mjs PYODIDE ORDER_AS_JSON`
import { pathToFileURL } from 'node:url';

process.on('uncaughtException', (error) => {
  console.error(error.message); // not the line of Pyodide that threw it: that is a megabyte
  process.exit(1);
});

const [folder, order] = process.argv.slice(2);
const { env, mounts, path, run } = JSON.parse(order);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: folder, env, stdout: console.error });
for (const [inside, root] of Object.entries(mounts)) {
  pyodide.FS.mkdirTree(inside);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root }, inside);
}
pyodide.pyimport('sys').path.extend(pyodide.toPy(path));
console.log(pyodide.pyimport('pytest_in_pyodide').run(...run.map(pyodide.toPy)));
