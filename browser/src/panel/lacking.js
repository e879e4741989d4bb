// What a node lacks of the merged state, and from which node this browser got it.

/** @import { State } from './states.js' */

import { lifted } from './states.js';

/**
 * @typedef {object} Origin from where this browser got a slot's number
 * @property {number} count
 * @property {string} node the node that sent it; empty for another tab of this browser
 * @property {number} at_ms
 *
 * @typedef {object} Lack
 * @property {string} slot or BASE
 * @property {number} views
 * @property {Origin | undefined} origin undefined if no node has sent this count
 */

/** Stands for the base among the slots. No slot has this name. */
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
    // A node that does not know a fold yet may lack rows of the folded slots. A node that knows all
    // folds can't.
    const isBehind = Object.entries(ours.folded).some(([node, generation]) => {
      return generation > (theirs.folded[node] ?? -1);
    });
    const folding = isBehind ? { count: ours.base, node: '', at_ms: 0 } : undefined;
    lacks.push({ slot: BASE, views: missing, origin: originOf(BASE, ours.base) ?? folding });
  }
  return lacks.sort((one, other) => other.views - one.views);
}

/**
 * Whether a node has views that are not merged here (yet).
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
 * A state's base after lifting all slots that `merged` knows to be folded.
 *
 * @param {State} state
 * @param {State} merged
 */
export const comparableBase = (state, merged) => state.base + lifted(state, merged).views;
