// What one merge has changed, in a few words.

import { counted, number } from '../words.js';
import { allSlots, brief, lifted, parts } from './states.js';

/** @typedef {import('./states.js').State} State */

// A node that was away for long brings a hundred changes; the first of them tell the story.
const MOST = 4;

/**
 * `+2: b 5→7`; `lifted b@…4123 (8) into the base`; `nothing new`.
 *
 * @param {State} before
 * @param {State} after
 * @returns {{gained: number, text: string}}
 */
export function effect(before, after) {
  const gained = after.value - before.value;
  const slots = allSlots(before, after);
  const name = (/** @type {string} */ slot) =>
    slots.filter((other) => parts(other).node === parts(slot).node).length > 1
      ? brief(slot)
      : parts(slot).node;

  const changes = slots.flatMap((slot) => {
    const [from, to] = [before.slots[slot], after.slots[slot]];
    if (to === undefined || to === from) return [];
    return [
      from === undefined
        ? `new slot ${brief(slot)} ${number(to)}`
        : `${name(slot)} ${number(from)}→${number(to)}`,
    ];
  });
  const { slots: gone, views } = lifted(before, after);
  for (const slot of gone)
    changes.push(`lifted ${brief(slot)} (${number(before.slots[slot])}) into the base`);
  const base = before.base + views;
  if (after.base !== base) changes.push(`base ${number(base)}→${number(after.base)}`);
  const names = new Set(gone.map((slot) => parts(slot).node));
  for (const [node, generation] of Object.entries(after.folded)) {
    const isNew = generation > (before.folded[node] ?? -1) && !names.has(node);
    if (isNew) changes.push(`heard that ${brief(`${node}@${generation}`)} and older are folded`);
  }

  if (!changes.length) return { gained, text: 'nothing new' };
  const said = changes.slice(0, MOST).join(', ');
  const more = changes.length > MOST ? ` and ${counted(changes.length - MOST, 'more change')}` : '';
  return { gained, text: `${gained > 0 ? `+${number(gained)}: ` : ''}${said}${more}` };
}
