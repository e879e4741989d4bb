// The demo's nodes: their states, what can be done to them, and the plot of the last minutes.
//
// This part exists only if the page has a playground's address, which a page in production never
// has. It sends a request each second while somebody can see the open panel, and otherwise none.

/**
 * @import { Means } from './controls.js'
 * @import { NodeState, Order, PlaygroundState } from './playground.js'
 */

import { openHistory } from '../cluster-history.js';
import { openPlot } from '../cluster-plot.js';
import { child, list, write } from '../elements.js';
import { button, make, resultLine, section, tested } from './dom.js';
import { openPlayground } from './playground.js';
import { RECIPES } from './recipes.js';

const EVERY_MS = 1_000;

/** @type {{order: Order, title: string, possible: (node: NodeState) => boolean, meaning: string}[]} */
const ORDERS = [
  {
    order: 'cut',
    title: 'Cut',
    possible: ({ cut }) => cut === false,
    meaning: 'no message between it and the other nodes arrives; browsers still reach it',
  },
  {
    order: 'heal',
    title: 'Heal',
    possible: ({ cut }) => cut === true,
    meaning: 'it is connected to the others again',
  },
  {
    order: 'kill',
    title: 'Kill',
    possible: ({ running }) => running,
    meaning: 'at once, as if the power had failed',
  },
  {
    order: 'start',
    title: 'Start',
    possible: ({ running }) => !running,
    meaning: 'a new process, and with it a new slot',
  },
  {
    order: 'drain',
    title: 'Stop',
    possible: ({ running }) => running,
    meaning: 'it hands over and stops; it means to come back',
  },
  {
    order: 'leave',
    title: 'Leave',
    possible: ({ running }) => running,
    meaning: 'it hands over, closes its slot for good and stops',
  },
  {
    order: 'retire',
    title: 'Retire',
    possible: ({ running }) => !running,
    meaning: 'tell the others that it will not come back',
  },
];

/**
 * @param {string} address of the playground
 * @param {Means} means
 * @param {(names: string[]) => void} offer adds these nodes to the choice of nodes
 */
export function openDemoNodes(address, { facts, say, changed }, offer) {
  const playground = openPlayground(address);
  const rows = tested(make('tbody'), 'panel-cluster');
  const result = resultLine('panel-cluster-said');
  const wireLine = tested(make('p', { className: 'soft' }), 'panel-wire');
  const seenFrom = make('p', { className: 'soft' });
  const history = openHistory();
  /** @type {{draw: () => void} | undefined} */
  let plot;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let open = false;
  /** How often it was opened. Requests from before must not go on beside the new ones. */
  let turn = 0;

  /**
   * @param {string} node
   * @param {Order} order
   */
  async function carryOut(node, order) {
    say(result, `${order} ${node} …`);
    try {
      show(await playground.order(node, order));
      say(result, `Done: ${order} ${node}.`, 'good');
      facts.note(`${order} ${node}, by you`);
      changed();
    } catch (error) {
      say(result, `Not done: ${error instanceof Error ? error.message : error}`, 'bad');
    }
  }

  /** @param {NodeState[]} nodes */
  function show(nodes) {
    const names = nodes.map(({ name }) => name);
    offer(names);
    list(rows, names, 'tr', (row, at) => drawNode(row, nodes[at], carryOut));
  }

  /** @param {PlaygroundState} state */
  function showState({ nodes, wire, cluster, seen_from: from }) {
    show(nodes);
    write(wireLine, wireText(wire));
    const seen = from
      ? `The plot is as node ${from} sees it.`
      : 'No node answers: the plot stands still.';
    write(seenFrom, seen);
    if (!cluster) return;
    history.add(Date.now(), cluster);
    plot ??= openPlot(history);
    plot.draw();
  }

  /** @param {number} mine the turn */
  async function run(mine) {
    const began_ms = Date.now();
    const state = await playground.state().catch(() => undefined);
    if (!open || mine !== turn) return;
    if (state) showState(state);
    else write(seenFrom, 'The demo does not answer: has it been stopped?');
    timer = setTimeout(() => void run(mine), Math.max(100, EVERY_MS - (Date.now() - began_ms)));
  }

  return {
    element: section(
      'The demo’s nodes',
      'cluster',
      make(
        'div',
        { className: 'cluster-both' },
        make('div', {}, openTable(rows), wireLine, result, openRecipes()),
        make('div', {}, plotFrame(), seenFrom),
      ),
    ),
    /** @param {boolean} wanted */
    watch(wanted) {
      if (wanted === open) return;
      open = wanted;
      clearTimeout(timer);
      if (!open) return;
      turn += 1;
      void run(turn);
    },
  };
}

/** @param {HTMLElement} rows */
function openTable(rows) {
  const heads = ['Node', 'State', 'What to do'].map((text) =>
    make('th', { scope: 'col', textContent: text }),
  );
  return make(
    'table',
    { className: 'table nodes' },
    make('thead', {}, make('tr', {}, ...heads)),
    rows,
  );
}

/**
 * @param {HTMLElement} row
 * @param {NodeState} node
 * @param {(node: string, order: Order) => Promise<void>} carryOut
 */
function drawNode(row, node, carryOut) {
  row.dataset.node = node.name;
  const head = child(row, 'th', 'nodes-name');
  head.setAttribute('scope', 'row');
  write(head, node.name);
  const [text, mood] = stateOf(node);
  const state = child(row, 'td', 'nodes-state');
  state.dataset.mood = mood;
  write(state, text);
  const orders = child(row, 'td', 'nodes-orders');
  if (!orders.children.length) {
    for (const { order, title, meaning } of ORDERS) {
      const press = () => void carryOut(node.name, order);
      const made = button(title, `${order}-${node.name}`, press);
      made.title = meaning;
      made.setAttribute('aria-label', `${title} node ${node.name}: ${meaning}`);
      orders.append(made);
    }
  }
  for (const [at, made] of [...orders.querySelectorAll('button')].entries()) {
    made.disabled = !ORDERS[at].possible(node);
  }
}

/** @param {PlaygroundState['wire']} wire */
function wireText({ over, why_uncut: why }) {
  const line = `The nodes talk over ${over}.`;
  return why ? `${line} No node can be cut off: ${why}.` : line;
}

/**
 * @param {NodeState} node
 * @returns {[text: string, mood: 'good' | 'warn' | 'bad']}
 */
function stateOf({ running, ready, cut }) {
  const [text, mood] = processOf(running, ready);
  if (!cut) return [text, mood];
  return [`${text}, cut off`, mood === 'good' ? 'warn' : mood];
}

/**
 * @param {boolean} running
 * @param {boolean} ready
 * @returns {[text: string, mood: 'good' | 'warn' | 'bad']}
 */
function processOf(running, ready) {
  if (!running) return ['stopped', 'bad'];
  return ready ? ['serves', 'good'] : ['not ready', 'warn'];
}

function openRecipes() {
  const recipes = RECIPES.map(({ title, steps }) => {
    const before = make('span', { className: 'soft', textContent: 'Try: ' });
    const items = steps.map((step) => make('li', { textContent: step }));
    const summary = make('summary', {}, before, title);
    return make('details', { name: 'recipe' }, summary, make('ol', {}, ...items));
  });
  return make('div', { className: 'recipes' }, ...recipes);
}

/** The place where cluster-plot.js draws, from a template in the page. */
function plotFrame() {
  const frame = document.getElementById('panel-plot');
  if (!(frame instanceof HTMLTemplateElement)) throw new Error('the page has no place for a plot');
  return frame.content;
}
