// A counter's state as the panel reads it: base, slots, folds; and slots by names that people can read.
//
// Nothing is merged here: what two states come to is always what `ratchet` answered. This file only
// reads the texts that went in and out.

import { ownValue } from '../own-value.js';

/**
 * @typedef {object} State
 * @property {number} base
 * @property {{[slot: string]: number}} slots
 * @property {{[node: string]: number}} folded
 * @property {number} value
 */

/** @type {Readonly<State>} */
export const NOTHING = Object.freeze({ base: 0, slots: {}, folded: {}, value: 0 });

/**
 * @param {string} counter JSON with `base` and `slots`; a snapshot's text has them, too
 * @param {string} [folded] JSON; without it, the snapshot's
 * @returns {State | undefined} nothing when this is no state
 */
export function readState(counter, folded) {
  const value = ownValue(counter);
  if (Number.isNaN(value)) return undefined;
  try {
    const { base, slots, folded: inside } = JSON.parse(counter);
    const folds = folded === undefined ? inside : JSON.parse(folded || '{}');
    // Held where the core holds it.
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
  return [...new Set(states.flatMap((state) => Object.keys(state?.slots ?? {})))].sort(
    (one, other) => {
      const [a, b] = [parts(one), parts(other)];
      return a.node.localeCompare(b.node) || a.generation - b.generation;
    },
  );
}

/** @param {string} slot */
export function parts(slot) {
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

// Earlier than this no process of ours can have started: the generation is no time, but a number
// that somebody made up.
const EARLIEST_MS = Date.UTC(2020, 0);
const LATEST_MS = Date.UTC(2200, 0);

/**
 * When a generation was opened: it is a start time in microseconds.
 *
 * @param {number} generation
 * @returns {Date | undefined}
 */
export function started(generation) {
  const at_ms = Math.floor(generation / 1000);
  return at_ms >= EARLIEST_MS && at_ms < LATEST_MS ? new Date(at_ms) : undefined;
}

/**
 * The slots that one state still has and the other has folded, and what they held.
 *
 * @param {State} before
 * @param {State} after
 */
export function lifted(before, after) {
  const slots = Object.keys(before.slots).filter((slot) => {
    const { node, generation } = parts(slot);
    return !(slot in after.slots) && generation <= (after.folded[node] ?? -1);
  });
  return { slots, views: slots.reduce((sum, slot) => sum + before.slots[slot], 0) };
}
