// What has happened, the newest first: each message, and what its merge has changed.

/** @import { Entry } from './facts.js' */

import { child, list, write } from '../elements.js';
import { clock } from '../english.js';
import { make, section, tested } from './dom.js';

const INTRO =
  'Newest first. Replay merges a snapshot once more: nothing goes down, nothing counts twice.';

/** @typedef {ReturnType<typeof openTimeline>} Timeline */

/** @param {(entry: Entry) => void} replay */
export function openTimeline(replay) {
  const items = tested(make('ol', { className: 'timeline', tabIndex: 0 }), 'panel-log');
  items.setAttribute('aria-labelledby', 'panel-timeline');
  /** @type {Map<string, Entry>} */
  let shown = new Map();
  items.addEventListener('click', ({ target }) => {
    const pressed = target instanceof Element ? target.closest('button') : null;
    const entry = shown.get(pressed?.closest('li')?.dataset.key ?? '');
    if (entry) replay(entry);
  });

  return {
    element: section(
      'What has happened',
      'timeline',
      make('p', { className: 'soft', textContent: INTRO }),
      items,
    ),
    /** @param {Entry[]} entries */
    draw(entries) {
      shown = new Map(entries.map((entry) => [String(entry.id), entry]));
      list(items, [...shown.keys()], 'li', (item, at) => drawEntry(item, entries[at]));
    },
  };
}

/**
 * @param {HTMLElement} item
 * @param {Entry} entry
 */
function drawEntry(item, { at_ms, from, way, text, mood, snapshot }) {
  item.dataset.mood = mood;
  write(child(item, 'time', 'when'), clock(at_ms));
  write(child(item, 'span', 'from'), from);
  write(child(item, 'span', 'way'), way);
  write(child(item, 'span', 'effect'), text);
  if (!snapshot) return;
  const button = child(item, 'button', 'replay');
  if (button.textContent) return;
  button.type = 'button';
  button.textContent = 'Replay';
  button.setAttribute('aria-label', `Replay the snapshot of ${clock(at_ms)} from ${from}`);
  button.dataset.testid = 'panel-replay';
}
