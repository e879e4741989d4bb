// The worker: runs the lesson's Python on the core that every page of this build has.

/** @import { Request, Response as Reply } from './protocol.js' */

import { loadCore } from '../core.js';

const FILES = ['naive.py', 'world.py', 'scene.py', 'telling.py', 'lesson.py'];

const scope = /** @type {DedicatedWorkerGlobalScope} */ (self); // the page opens no other kind

/** @param {Reply} reply */
const post = (reply) => scope.postMessage(reply);

// A start that fails leaves unhandled rejections, even if another start succeeds (see core.js).
scope.addEventListener('unhandledrejection', (event) => event.preventDefault());

try {
  const [{ pyodide, how }, sources] = await Promise.all([
    loadCore(),
    Promise.all(FILES.map(source)),
  ]);
  pyodide.FS.mkdirTree('/lesson/learn');
  for (const [at, name] of FILES.entries()) {
    pyodide.FS.writeFile(`/lesson/learn/${name}`, sources[at]);
  }
  pyodide.pyimport('sys').path.append('/lesson');
  const stage = pyodide.pyimport('learn.lesson').Stage();
  scope.addEventListener('message', ({ data }) => {
    /** @type {Request} */
    const { id, orders, afresh } = data;
    try {
      const answer = JSON.parse(stage.play(JSON.stringify(orders), afresh));
      post({ type: 'answer', id, answer });
    } catch (error) {
      post({ type: 'refused', id, why: lastLine(error) });
    }
  });
  post({ type: 'ready', how });
} catch (error) {
  post({ type: 'failed', why: lastLine(error) });
}

/** @param {string} name */
async function source(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response.text();
}

/**
 * The part of a Python traceback that matters.
 *
 * @param {unknown} error
 */
function lastLine(error) {
  return String(error).trim().split('\n').at(-1) ?? '';
}
