// A counter's state as the panel reads it: base, slots and folds, and readable names of slots.
//
// Nothing is merged here: only `ratchet` merges states. This file only reads the texts that went
// into a merge and came out of it.

/** @import { State as Bare } from '../merge-protocol.js' */

import { ownValue } from '../own-value.js';

/** @typedef {Bare & {value: number}} State */

/** @type {Readonly<State>} */
export const NOTHING = Object.freeze({ base: 0, slots: {}, folded: {}, value: 0 });

/**
 * @param {string} counter JSON with `base` and `slots`, or the text of a snapshot, which has both
 * @param {string} [folded] JSON; without it, the `folded` of the snapshot
 * @returns {State | undefined} undefined if this is no state
 */
export function readState(counter, folded) {
  const value = ownValue(counter);
  if (Number.isNaN(value)) return undefined;
  try {
    const { base, slots, folded: inside } = JSON.parse(counter);
    const folds = folded === undefined ? inside : JSON.parse(folded || '{}');
    // The core has the same upper limit.
    return { base, slots, folded: folds ?? {}, value: Math.min(value, Number.MAX_SAFE_INTEGER) };
  } catch {
    return undefined;
  }
}

/**
 * The slots of all these states, by node and start.
 *
 * @param {(State | undefined)[]} states
 */
export function allSlots(...states) {
  const slots = new Set(states.flatMap((state) => Object.keys(state?.slots ?? {})));
  return [...slots].sort((one, other) => {
    const [a, b] = [parseSlot(one), parseSlot(other)];
    return a.node.localeCompare(b.node) || a.generation - b.generation;
  });
}

/** @param {string} slot */
export function parseSlot(slot) {
  const [node, generation = ''] = slot.split('@');
  return { node, generation: Number(generation) };
}

/**
 * `a@…4123`: enough to tell a node's starts apart by eye.
 *
 * @param {string} slot
 */
export function brief(slot) {
  const [node, generation = ''] = slot.split('@');
  return `${node}@${generation.length > 6 ? `…${generation.slice(-4)}` : generation}`;
}

// No process can have started before or after these times. A generation beyond them is no start
// time, but a number that somebody made up.
const EARLIEST_MS = Date.UTC(2020, 0);
const LATEST_MS = Date.UTC(2200, 0);

/**
 * When a generation began. (A generation is a start time in microseconds.)
 *
 * @param {number} generation
 * @returns {Date | undefined}
 */
export function started(generation) {
  const at_ms = Math.floor(generation / 1000);
  return at_ms >= EARLIEST_MS && at_ms < LATEST_MS ? new Date(at_ms) : undefined;
}

/**
 * The slots that one state still has and the other has folded, and the views in them.
 *
 * @param {State} before
 * @param {State} after
 */
export function lifted(before, after) {
  const slots = Object.keys(before.slots).filter((slot) => {
    const { node, generation } = parseSlot(slot);
    return !(slot in after.slots) && generation <= (after.folded[node] ?? -1);
  });
  return { slots, views: slots.reduce((sum, slot) => sum + before.slots[slot], 0) };
}
