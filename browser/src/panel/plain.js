// What the panel says in plain words and numbers: who answered, by which way, where it is stored.

import { write } from '../elements.js';
import { number } from '../words.js';
import { make, tested } from './parts.js';

/** @type {{[way: string]: string}} */
const WHOSE = {
  shared: 'one worker for all tabs',
  leading: 'a worker of the tab that leads',
  own: 'a worker of this tab alone',
};
/** @type {{[state: string]: string}} */
const LOST = {
  connecting: 'connecting',
  paused: 'paused by you',
  unseen: 'closed while nobody looks',
};

/** @param {import('./panel.js').Page} page */
export function plainFacts({ node }) {
  const element = make('dl', { className: 'facts' });
  /** @type {(name: string, id: string, text?: string) => (text: string) => void} */
  const fact = (name, id, text = '') => {
    const value = tested(make('dd', { textContent: text }), `panel-${id}`);
    element.append(make('div', {}, make('dt', { textContent: name }), value));
    return (said) => write(value, said);
  };
  fact('Page from node', 'node-page', node);
  const heard = fact('Messages from node', 'node-socket', 'none yet');
  const live = fact('Connection', 'live', 'connecting');
  const merge = fact('Merge (Python)', 'merge', 'loading');
  const by = fact('Merged by', 'merged-by', 'nobody yet');
  const storage = fact('Stored in', 'storage', 'not used yet');
  const high = fact('Highest shown, kept', 'high');
  const used = fact('Storage used', 'used');

  const stored = tested(make('pre', { tabIndex: 0, textContent: 'nothing yet' }), 'panel-stored');
  const received = tested(
    make('pre', { tabIndex: 0, textContent: 'nothing yet' }),
    'panel-received',
  );
  const storedTitle = make('h4', { textContent: 'As merged and stored' });
  const raw = make(
    'details',
    { className: 'raw' },
    make('summary', { textContent: 'The raw states' }),
    make(
      'div',
      { className: 'raw-both' },
      make('div', {}, storedTitle, stored),
      make('div', {}, make('h4', { textContent: 'As last received' }), received),
    ),
  );

  return {
    element,
    raw,
    used,
    /**
     * @param {import('./facts.js').Facts} facts
     * @param {string | null} mark
     */
    draw(facts, mark) {
      if (facts.received) heard(facts.received.node || 'unknown');
      live(
        facts.live.state === 'heard'
          ? facts.live.way
          : (LOST[facts.live.state] ?? facts.live.state),
      );
      const { state, why, way, after_ms } = facts.merge;
      if (state === 'ready') merge(`ready after ${(after_ms / 1000).toFixed(1)} s`);
      by(state === 'ready' ? (WHOSE[way] ?? way) : state === 'failed' ? 'nobody' : 'nobody yet');
      if (state === 'failed') merge(`off: each node’s own number is shown (${why})`);
      storage(facts.storage || 'not used yet');
      high(mark === null ? 'nothing' : number(Number(mark)));
      write(
        storedTitle,
        facts.storage === 'off'
          ? 'As merged (in this page only: storage is off)'
          : 'As merged and stored',
      );
      if (facts.merged) write(stored, rawOf(facts.merged));
      if (facts.received) write(received, rawOf(facts.received.state));
    },
  };
}

/** @param {import('./states.js').State} state */
const rawOf = ({ base, slots, folded }) => JSON.stringify({ base, slots, folded }, null, 2);
