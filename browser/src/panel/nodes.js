// Which node is asked: the next page, the messages, or nobody for a while.
//
// A pin is a wish. The balancer honours it where its operator gave it the nodes' names; a page that
// came straight from a node has no balancer at all.

import { button, make, part, tested } from './parts.js';

const ASK_MS = 5_000;

/** @param {import('./play.js').Means} means */
export function openNodes({
  page: { node: pageNode, views },
  facts,
  pause: pauseMessages,
  say,
  changed,
}) {
  const asked = new URLSearchParams(location.search).get('node') ?? '';
  let pinned = '';
  let pinned_ms = 0;
  let refused = '';

  const choice = tested(
    make('select', { id: 'panel-node' }, new Option('any node', '')),
    'panel-node-choice',
  );
  const result = tested(make('p', { className: 'result' }), 'panel-node-said');
  const pinNow = (/** @type {string} */ node) => {
    pinned = node;
    pinned_ms = Date.now();
    views.live.pin(node);
  };
  const reload = button('Reload the page from it', 'panel-reload-node', () => {
    const url = new URL(location.href);
    url.searchParams.set('debug', '');
    if (choice.value) url.searchParams.set('node', choice.value);
    else url.searchParams.delete('node');
    if (url.href === location.href) location.reload();
    else location.assign(url);
  });
  const pin = button('Take messages from it', 'panel-pin', () => {
    pinNow(choice.value);
    say(
      result,
      choice.value
        ? `The next connection asks for node ${choice.value}.`
        : 'The next connection takes any node.',
    );
    changed();
  });
  const pause = button('Pause messages', 'panel-pause', () => {
    pauseMessages(!facts.paused);
    changed();
  });
  pause.setAttribute('aria-pressed', 'false');

  if (asked) {
    choice.append(new Option(`node ${asked}`, asked, false, true));
    // A page from one node with messages from another would be hard to read.
    pinNow(asked);
  }

  /** @param {string[]} names */
  function offer(names) {
    for (const name of names) {
      if ([...choice.options].some(({ value }) => value === name)) continue;
      const next = [...choice.options].find(({ value }) => value > name);
      choice.add(new Option(`node ${name}`, name), next);
    }
  }

  return {
    element: part(
      'Nodes and messages',
      'nodes',
      make(
        'p',
        { className: 'row' },
        make('label', { htmlFor: choice.id, textContent: 'Ask for' }),
        choice,
        reload,
        pin,
      ),
      make('p', { className: 'row' }, pause),
      result,
    ),
    offer,
    /** Asks the node that answers now whom it knows. */
    async ask() {
      try {
        const answer = await fetch('/api/node', {
          cache: 'no-store',
          signal: AbortSignal.timeout(ASK_MS),
        });
        const { node, peers } = await answer.json();
        offer(
          [node, ...peers.map((/** @type {any} */ peer) => peer.node)].filter(
            (name) => typeof name === 'string' && name,
          ),
        );
      } catch {
        // Nobody answers now: those of whom we have heard can be asked for.
      }
      offer([pageNode, ...facts.heardFrom].filter((name) => name && name !== '?'));
    },
    /** What became of the wishes; empty if all came true. */
    refused() {
      const answers = facts.received && facts.received.at_ms > pinned_ms ? facts.received.node : '';
      const why = 'either it is away, or no balancer here knows the nodes by name';
      if (asked && asked !== pageNode)
        return `Node ${asked} was asked for this page, and node ${pageNode} answered: ${why}.`;
      if (pinned && answers && pinned !== answers)
        return `Node ${pinned} was asked for messages, and node ${answers} answers: ${why}.`;
      return '';
    },
    draw() {
      const { paused } = facts;
      const text = paused ? 'Resume messages' : 'Pause messages';
      if (pause.textContent !== text) pause.textContent = text;
      pause.setAttribute('aria-pressed', String(paused));
      const now = this.refused();
      if (now !== refused) say(result, now, 'bad');
      refused = now;
    },
  };
}
