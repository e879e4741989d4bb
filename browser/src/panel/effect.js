// What one merge has changed, in a few words.

/** @import { State } from './states.js' */

import { counted, number } from '../english.js';
import { allSlots, brief, lifted, parseSlot } from './states.js';

// A node that was away for long brings a hundred changes. The first few are enough.
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
  const changes = [...slotChanges(before, after), ...foldChanges(before, after)];
  if (!changes.length) return { gained, text: 'nothing new' };
  const first = changes.slice(0, MOST).join(', ');
  const more = changes.length > MOST ? ` and ${counted(changes.length - MOST, 'more change')}` : '';
  return { gained, text: `${gained > 0 ? `+${number(gained)}: ` : ''}${first}${more}` };
}

/**
 * @param {State} before
 * @param {State} after
 */
function slotChanges(before, after) {
  const slots = allSlots(before, after);
  const nodes = slots.map((slot) => parseSlot(slot).node);
  const name = (/** @type {string} */ slot) => {
    const { node } = parseSlot(slot);
    return nodes.filter((other) => other === node).length > 1 ? brief(slot) : node;
  };
  return slots.flatMap((slot) => {
    const [from, to] = [before.slots[slot], after.slots[slot]];
    if (to === undefined || to === from) return [];
    if (from === undefined) return [`new slot ${brief(slot)} ${number(to)}`];
    return [`${name(slot)} ${number(from)}→${number(to)}`];
  });
}

/**
 * @param {State} before
 * @param {State} after
 */
function foldChanges(before, after) {
  const { slots, views } = lifted(before, after);
  const changes = slots.map(
    (slot) => `lifted ${brief(slot)} (${number(before.slots[slot])}) into the base`,
  );
  const base = before.base + views;
  if (after.base !== base) changes.push(`base ${number(base)}→${number(after.base)}`);
  const liftedNodes = new Set(slots.map((slot) => parseSlot(slot).node));
  for (const [node, generation] of Object.entries(after.folded)) {
    if (generation <= (before.folded[node] ?? -1) || liftedNodes.has(node)) continue;
    changes.push(`learned that ${brief(`${node}@${generation}`)} and older are folded`);
  }
  return changes;
}
