// What a node lacks of what is merged here, and where this browser has it from.

/** @import { State } from './states.js' */

import { lifted } from './states.js';

/**
 * @typedef {object} Origin where this browser has a slot's number from
 * @property {number} count
 * @property {string} node who sent it; empty for another tab of this browser
 * @property {number} at_ms
 *
 * @typedef {object} Lack
 * @property {string} slot or BASE
 * @property {number} views
 * @property {Origin | undefined} origin undefined when nobody has sent so many
 */

/** The base's place among the slots. No slot is named so. */
export const BASE = 'base';

/**
 * @param {State} ours
 * @param {State} theirs
 * @param {Map<string, Origin>} origins
 * @returns {Lack[]} the most views first
 */
export function lacking(ours, theirs, origins) {
  const originOf = (/** @type {string} */ slot, /** @type {number} */ count) => {
    const origin = origins.get(slot);
    return origin && origin.count >= count ? origin : undefined;
  };
  /** @type {Lack[]} */
  const lacks = Object.entries(ours.slots)
    .map(([slot, count]) => {
      return { slot, views: count - (theirs.slots[slot] ?? 0), origin: originOf(slot, count) };
    })
    .filter(({ views }) => views > 0);
  const missing = ours.base - comparableBase(theirs, ours);
  if (missing > 0) {
    // A node that does not know of a fold yet may lack rows of what was folded. One that knows of
    // all of them cannot.
    const isBehind = Object.entries(ours.folded).some(([node, generation]) => {
      return generation > (theirs.folded[node] ?? -1);
    });
    const folding = isBehind ? { count: ours.base, node: '', at_ms: 0 } : undefined;
    lacks.push({ slot: BASE, views: missing, origin: originOf(BASE, ours.base) ?? folding });
  }
  return lacks.sort((one, other) => other.views - one.views);
}

/**
 * Whether a node has something that is not merged here (yet).
 *
 * @param {State} theirs
 * @param {State} ours
 */
export function isAhead(theirs, ours) {
  const liftedHere = lifted(theirs, ours).slots;
  return Object.entries(theirs.slots).some(([slot, count]) => {
    return slot in ours.slots ? count > ours.slots[slot] : !liftedHere.includes(slot);
  });
}

/**
 * A state's base as it will be after the merge, when all that is folded there is lifted.
 *
 * @param {State} state
 * @param {State} merged
 */
export const comparableBase = (state, merged) => state.base + lifted(state, merged).views;
