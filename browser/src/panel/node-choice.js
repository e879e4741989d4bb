// Lets a viewer choose the node that sends the next page or the messages, and pause the messages.
//
// A pin is a wish. The balancer honours it if its operator gave it the nodes' names. A page that
// came straight from a node has no balancer at all.

/** @import { Means } from './controls.js' */

import { write } from '../elements.js';
import { button, labelled, make, resultLine, row, section, tested } from './dom.js';

const ASK_MS = 5_000;

/** @param {Means} means */
export function openNodeChoice(means) {
  const { page, facts, say, changed } = means;
  const { live } = page.views;
  const asked = new URLSearchParams(location.search).get('node') ?? '';
  let pinned = '';
  let pinned_ms = 0;
  let refused = '';

  const anyNode = make('option', { value: '', textContent: 'any node' });
  const choice = tested(make('select', { id: 'panel-node' }, anyNode), 'panel-node-choice');
  const result = resultLine('panel-node-said');
  const pin = (/** @type {string} */ node) => {
    pinned = node;
    pinned_ms = Date.now();
    live.pin(node);
  };
  const reload = button('Reload the page from it', 'panel-reload-node', () => {
    reloadFrom(choice.value);
  });
  const take = button('Take messages from it', 'panel-pin', () => {
    pin(choice.value);
    const which = choice.value ? `asks for node ${choice.value}` : 'takes any node';
    say(result, `The next connection ${which}.`);
    changed();
  });
  const pause = button('Pause messages', 'panel-pause', () => {
    means.pause(!facts.paused);
    changed();
  });
  pause.setAttribute('aria-pressed', 'false');

  if (asked) {
    offer([asked]);
    choice.value = asked;
    // A page from one node with messages from another would be hard to read.
    pin(asked);
  }

  /** @param {string[]} names */
  function offer(names) {
    for (const name of names) {
      const options = [...choice.options];
      if (options.some(({ value }) => value === name)) continue;
      const next = options.find(({ value }) => value > name);
      const option = make('option', { value: name, textContent: `node ${name}` });
      choice.insertBefore(option, next ?? null);
    }
  }

  /** Why a wish did not come true; empty if all wishes did. */
  function whyRefused() {
    const why = 'either it is down, or no balancer here knows the nodes by name';
    if (asked && asked !== page.node) {
      return `Node ${asked} was asked for this page, and node ${page.node} answered: ${why}.`;
    }
    const { node, at_ms } = facts.received ?? { node: '', at_ms: 0 };
    if (pinned && node && at_ms > pinned_ms && pinned !== node) {
      return `Node ${pinned} was asked for messages, and node ${node} answers: ${why}.`;
    }
    return '';
  }

  return {
    element: section(
      'Nodes and messages',
      'nodes',
      row(labelled('Ask for', choice), choice, reload, take),
      row(pause),
      result,
    ),
    offer,
    /** Asks the node that answers now which nodes it knows. */
    async ask() {
      offer(await knownNodes());
      offer([page.node, ...facts.senders].filter((name) => name && name !== '?'));
    },
    draw() {
      write(pause, facts.paused ? 'Resume messages' : 'Pause messages');
      pause.setAttribute('aria-pressed', String(facts.paused));
      const now = whyRefused();
      if (now !== refused) say(result, now, 'bad');
      refused = now;
    },
  };
}

/** @param {string} node empty for any */
function reloadFrom(node) {
  const url = new URL(location.href);
  url.searchParams.set('debug', '');
  if (node) url.searchParams.set('node', node);
  else url.searchParams.delete('node');
  if (url.href === location.href) location.reload();
  else location.assign(url);
}

/** @returns {Promise<string[]>} empty if no node answers */
async function knownNodes() {
  try {
    const response = await fetch('/api/node', {
      cache: 'no-store',
      signal: AbortSignal.timeout(ASK_MS),
    });
    /** @type {{node: string, peers: {node: string | null}[]}} */
    const { node, peers } = await response.json();
    return [node, ...peers.flatMap((peer) => peer.node ?? [])];
  } catch {
    return [];
  }
}
