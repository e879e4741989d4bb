// What has happened, the newest first: each message with what merging it has changed.

import { child, list, write } from '../elements.js';
import { clock, make, part, tested } from './parts.js';

/** @typedef {import('./facts.js').Entry} Entry */

/** @param {(entry: Entry) => void} replay */
export function openTimeline(replay) {
  const items = tested(make('ol', { className: 'timeline', tabIndex: 0 }), 'panel-log');
  const intro = make('p', {
    className: 'soft',
    textContent:
      'Newest first. Replay merges a snapshot once more: nothing goes down, nothing counts twice.',
  });
  items.setAttribute('aria-labelledby', 'panel-timeline');
  /** @type {Map<string, Entry>} */
  let shown = new Map();
  items.addEventListener('click', ({ target }) => {
    const pressed = /** @type {Element} */ (target).closest('button');
    const entry = shown.get(pressed?.closest('li')?.dataset.key ?? '');
    if (entry) replay(entry);
  });

  return {
    element: part('What has happened', 'timeline', intro, items),
    /** @param {Entry[]} entries */
    draw(entries) {
      shown = new Map(entries.map((entry) => [String(entry.id), entry]));
      list(items, [...shown.keys()], 'li', (item, at) => {
        const { at_ms, from, way, text, mood, snapshot } = entries[at];
        item.dataset.mood = mood;
        const time = child(item, 'time', 'when');
        write(time, clock(at_ms));
        write(child(item, 'span', 'from'), from);
        write(child(item, 'span', 'way'), way);
        write(child(item, 'span', 'effect'), text);
        if (!snapshot) return;
        const button = /** @type {HTMLButtonElement} */ (child(item, 'button', 'replay'));
        if (button.type === 'button') return;
        button.type = 'button';
        button.textContent = 'Replay';
        button.setAttribute('aria-label', `Replay the snapshot of ${clock(at_ms)} from ${from}`);
        button.dataset.testid = 'panel-replay';
      });
    },
  };
}
