// The worker: runs the lesson's Python on the core that every page of this build has.

import { loadCore } from '../core.js';

const FILES = ['naive.py', 'world.py', 'scene.py', 'telling.py', 'lesson.py'];

// What a start that failed leaves behind, also where another start follows (see core.js).
self.addEventListener('unhandledrejection', (event) => event.preventDefault());

try {
  const [{ pyodide, how }, sources] = await Promise.all([
    loadCore(),
    Promise.all(FILES.map(source)),
  ]);
  pyodide.FS.mkdirTree('/lesson/learn');
  FILES.forEach((name, at) => pyodide.FS.writeFile(`/lesson/learn/${name}`, sources[at]));
  pyodide.pyimport('sys').path.append('/lesson');
  const stage = pyodide.pyimport('learn.lesson').Stage();
  self.addEventListener('message', ({ data: { id, orders, afresh } }) => {
    try {
      self.postMessage({ id, answer: JSON.parse(stage.play(JSON.stringify(orders), afresh)) });
    } catch (error) {
      self.postMessage({ id, why: lastLine(error) });
    }
  });
  self.postMessage({ ready: how });
} catch (error) {
  fail(error);
}

/** @param {string} name */
async function source(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return answer.text();
}

/** @param {unknown} error */
function fail(error) {
  self.postMessage({ failed: lastLine(error) });
}

/**
 * What matters of a Python traceback.
 *
 * @param {unknown} error
 */
function lastLine(error) {
  return String(error).trim().split('\n').at(-1);
}
