// The raw states as JSON: the one that is merged and stored, and the one that was last received.

/**
 * @import { Facts } from './facts.js'
 * @import { State } from './states.js'
 */

import { write } from '../elements.js';
import { make, tested } from './dom.js';

export function openRawStates() {
  const stored = openRaw('panel-stored');
  const received = openRaw('panel-received');
  write(received.title, 'As last received');
  return {
    element: make(
      'details',
      { className: 'raw' },
      make('summary', { textContent: 'The raw states' }),
      make('div', { className: 'raw-both' }, stored.element, received.element),
    ),
    /** @param {Facts} facts */
    draw(facts) {
      const isOff = facts.storage === 'off';
      const merged = isOff
        ? 'As merged (in this page only: storage is off)'
        : 'As merged and stored';
      write(stored.title, merged);
      if (facts.merged) write(stored.text, jsonOf(facts.merged));
      if (facts.received) write(received.text, jsonOf(facts.received.state));
    },
  };
}

/** @param {string} testId */
function openRaw(testId) {
  const title = make('h4');
  const text = tested(make('pre', { tabIndex: 0, textContent: 'nothing yet' }), testId);
  return { element: make('div', {}, title, text), title, text };
}

/** @param {State} state */
const jsonOf = ({ base, slots, folded }) => JSON.stringify({ base, slots, folded }, null, 2);
