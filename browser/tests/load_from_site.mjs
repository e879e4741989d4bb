// Loads a package from the lock file of a site, as a lesson in Node.js would, and prints the value of
// a Python expression: `node load_from_site.mjs PYODIDE SITE CACHE PACKAGE CODE`
import { pathToFileURL } from 'node:url';

const [folder, site, packageCacheDir, name, code] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const answer = await fetch(`${site}/pyodide/pyodide-lock.json`);
const pyodide = await loadPyodide({
  lockFileContents: await answer.json(), // in Node.js, lockFileURL would have to be a path
  packageBaseUrl: `${site}/pyodide/`,
  packageCacheDir,
  packages: [name],
  stdout: () => {},
});
console.log(pyodide.runPython(code));
process.exit();
