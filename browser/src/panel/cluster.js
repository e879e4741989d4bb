// The demo's nodes: how they are, what can be done to them, and the plot of the last minutes.
//
// It is there only where the page was given a playground's address, which production never has. It
// asks once a second while the panel is open and somebody can see it, and otherwise not at all.

import { history } from '../cluster-history.js';
import { openPlot } from '../cluster-plot.js';
import { child, list, write } from '../elements.js';
import { button, make, part, tested } from './parts.js';
import { RECIPES } from './recipes.js';

/** @typedef {{name: string, url: string, running: boolean, ready: boolean, cut: boolean}} NodeState */

const EVERY_MS = 1_000;
const ANSWER_MS = 5_000;
// A node that stops hands over first.
const DONE_MS = 30_000;

/** @type {[string, string, (node: NodeState) => boolean, string][]} */
const ORDERS = [
  ['cut', 'Cut', ({ cut }) => !cut, 'no other node hears it, nor it them; browsers still reach it'],
  ['heal', 'Heal', ({ cut }) => cut, 'it hears the others again'],
  ['kill', 'Kill', ({ running }) => running, 'at once, as if the power had failed'],
  ['start', 'Start', ({ running }) => !running, 'a new process, and with it a new slot'],
  ['drain', 'Stop', ({ running }) => running, 'it hands over and stops; it means to come back'],
  ['leave', 'Leave', ({ running }) => running, 'it hands over, closes its slot for good and stops'],
  ['retire', 'Retire', ({ running }) => !running, 'tell the others that it will not come back'],
];

/**
 * @param {string} playground its address
 * @param {import('./play.js').Means & {offer: (names: string[]) => void}} means
 */
export function openCluster(playground, { facts, say, changed, offer }) {
  const rows = tested(make('tbody'), 'panel-cluster');
  const heads = ['Node', 'State', 'What to do'].map((text) =>
    make('th', { scope: 'col', textContent: text }),
  );
  const table = make(
    'table',
    { className: 'nodes' },
    make('thead', {}, make('tr', {}, ...heads)),
    rows,
  );
  const result = tested(make('p', { className: 'result' }), 'panel-cluster-said');
  const seenFrom = make('p', { className: 'soft' });
  const seen = history();
  /** @type {{draw: () => void} | undefined} */
  let plot;
  let timer = 0;
  let open = false;
  /** Counts how often it was opened: a look that was under way then doesn't go on beside the new one. */
  let turn = 0;

  /** @param {string} name @param {string} order */
  async function carryOut(name, order) {
    say(result, `${order} ${name} …`);
    try {
      const answer = await fetch(`${playground}/nodes/${name}/${order}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{}',
        signal: AbortSignal.timeout(DONE_MS),
      });
      const said = await answer.json();
      if (!answer.ok) return say(result, `Not done: ${said.message}`, 'bad');
      show(said.nodes);
      say(result, `Done: ${order} ${name}.`, 'good');
      facts.note(`${order} ${name}, by you`);
      changed();
    } catch (error) {
      say(
        result,
        `Not done: the demo does not answer (${/** @type {Error} */ (error).message}).`,
        'bad',
      );
    }
  }

  /** @param {NodeState[]} nodes */
  function show(nodes) {
    offer(nodes.map(({ name }) => name));
    list(
      rows,
      nodes.map(({ name }) => name),
      'tr',
      (row, at) => {
        const node = nodes[at];
        row.dataset.node = node.name;
        const head = child(row, 'th', 'nodes-name');
        head.setAttribute('scope', 'row');
        write(head, node.name);
        const [text, mood] = stateOf(node);
        const state = child(row, 'td', 'nodes-state');
        state.dataset.mood = mood;
        write(state, text);
        const orders = child(row, 'td', 'nodes-orders');
        for (const [order, title, possible, meaning] of ORDERS) {
          let press = /** @type {HTMLButtonElement | null} */ (
            orders.querySelector(`[data-testid="${order}-${node.name}"]`)
          );
          if (!press) {
            press = button(title, `${order}-${node.name}`, () => void carryOut(node.name, order));
            press.title = meaning;
            press.setAttribute('aria-label', `${title} node ${node.name}: ${meaning}`);
            orders.append(press);
          }
          press.disabled = !possible(node);
        }
      },
    );
  }

  async function look() {
    try {
      const answer = await fetch(`${playground}/state`, {
        cache: 'no-store',
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const { nodes, cluster, seen_from: from } = await answer.json();
      if (!open) return;
      show(nodes);
      write(
        seenFrom,
        from ? `The plot is as node ${from} sees it.` : 'No node answers: the plot stands still.',
      );
      if (!cluster) return;
      seen.add(Date.now(), cluster);
      plot ??= openPlot(seen);
      plot.draw();
    } catch {
      write(seenFrom, 'The demo does not answer: has it been stopped?');
    }
  }

  /** @param {number} mine */
  async function run(mine) {
    const began_ms = Date.now();
    await look();
    if (open && mine === turn)
      timer = setTimeout(run, Math.max(100, EVERY_MS - (Date.now() - began_ms)), mine);
  }

  /** @param {boolean} wanted */
  function watch(wanted) {
    if (wanted === open) return;
    open = wanted;
    clearTimeout(timer);
    if (open) void run((turn += 1));
  }

  return {
    element: part(
      'The demo’s nodes',
      'cluster',
      make(
        'div',
        { className: 'cluster-both' },
        make('div', {}, table, result, recipes()),
        make('div', {}, plotFrame(), seenFrom),
      ),
    ),
    watch,
  };
}

/** @param {NodeState} node */
function stateOf({ running, ready, cut }) {
  if (!running) return [cut ? 'stopped, cut off' : 'stopped', 'bad'];
  if (!ready) return [cut ? 'not ready, cut off' : 'not ready', 'warn'];
  return cut ? ['serves, cut off', 'warn'] : ['serves', 'good'];
}

function recipes() {
  const all = RECIPES.map(({ title, steps }) =>
    make(
      'details',
      { name: 'recipe' },
      make('summary', {}, make('span', { className: 'soft', textContent: 'Try: ' }), title),
      make('ol', {}, ...steps.map((step) => make('li', { textContent: step }))),
    ),
  );
  return make('div', { className: 'recipes' }, ...all);
}

/** What cluster-plot.js draws into, with the ids of the cluster's own page; and that page's style. */
function plotFrame() {
  const style = new URL('../cluster.css', import.meta.url).href;
  document.head.append(make('link', { rel: 'stylesheet', href: style }));
  const frame = /** @type {HTMLTemplateElement} */ (document.getElementById('panel-plot'));
  return frame.content;
}
