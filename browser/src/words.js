// Numbers, times and lists in the words that people read.

const format = new Intl.NumberFormat('en');
/** @type {[number, string][]} */
const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];

/** @param {number} n */
export const number = (n) => format.format(n);

/**
 * `1 row`, `2,000 rows`.
 *
 * @param {number} n
 * @param {string} one
 */
export const counted = (n, one) => `${number(n)} ${one}${n === 1 ? '' : 's'}`;

/**
 * The two largest units: `2 h 3 min`, `45 s`. Below zero (clocks differ) is none.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  let left = Math.max(0, Math.floor(seconds));
  const first = UNITS.findIndex(([size, unit]) => left >= size || unit === 's');
  return UNITS.slice(first, first + 2)
    .map(([size, unit], at) => {
      const n = Math.floor(left / size);
      left %= size;
      return n || at === 0 ? `${n} ${unit}` : '';
    })
    .filter(Boolean)
    .join(' ');
}

/**
 * `a, b and c`; of a longer list `a, b, c, d, e and 7 more`.
 *
 * @param {string[]} names
 */
export function listed(names, limit = 5) {
  const shown = names.slice(0, limit);
  if (names.length > limit) shown.push(`${number(names.length - limit)} more`);
  if (!shown.length) return 'nobody';
  const last = shown.pop();
  return shown.length ? `${shown.join(', ')} and ${last}` : `${last}`;
}

/**
 * What an advice says, and the command that it ends with, if there is one.
 *
 * @param {string} advice
 */
export function split(advice) {
  const at = advice.lastIndexOf(': ratchet ');
  if (at < 0) return { said: advice, command: '' };
  return { said: advice.slice(0, at + 1), command: advice.slice(at + 2) };
}
