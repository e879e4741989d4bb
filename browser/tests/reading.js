// Reads short numbers as an English reader does.

/** @type {{[letter: string]: number}} */
const FACTORS = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 };

/**
 * The least number of views that `1.2M` may stand for.
 *
 * @param {string} text
 */
export function least(text) {
  return Math.round(parseFloat(text.replaceAll(',', '')) * (FACTORS[text.slice(-1)] ?? 1));
}
