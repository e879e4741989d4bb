// States and slots for the tests of the panel.

/** @import { State } from '../src/panel/states.js' */

export const A = 'a@1763800000004123';
export const B = 'b@1763800000005456';
export const X = 'x@1763800000009999';
export const NOW = 1_763_900_000_000;
export const MINUTE = 60_000;

/**
 * @param {State['slots']} [slots]
 * @param {number} [base]
 * @param {State['folded']} [folded]
 * @returns {State}
 */
export const state = (slots = {}, base = 0, folded = {}) => ({
  base,
  slots,
  folded,
  value: Object.values(slots).reduce((sum, n) => sum + n, base),
});
