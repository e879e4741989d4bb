// Numbers, durations and lists as English text.

const format = new Intl.NumberFormat('en');
/** @type {[number, string][]} */
const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];
// A time that is this short ago counts as now.
const NEWS_S = 5;

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
 * The two largest units: `2 h 3 min`, `45 s`. A negative time, which differing clocks cause, is 0.
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
 * `just now`, `3 min ago`.
 *
 * @param {number} at_ms
 * @param {number} now_ms
 */
export function ago(at_ms, now_ms) {
  const past_s = (now_ms - at_ms) / 1000;
  if (past_s < NEWS_S) return 'just now';
  return `${duration(past_s).split(' ').slice(0, 2).join(' ')} ago`;
}

/**
 * To the second; with the day when it is not today.
 *
 * @param {number} at_ms
 */
export function clock(at_ms) {
  const at = new Date(at_ms);
  const now = new Date();
  /** @type {Intl.DateTimeFormatOptions} */
  const shape = { hour: '2-digit', minute: '2-digit', second: '2-digit' };
  if (at.toDateString() !== now.toDateString())
    Object.assign(shape, { day: 'numeric', month: 'short' });
  if (at.getFullYear() !== now.getFullYear()) shape.year = 'numeric';
  return at.toLocaleString('en-GB', shape);
}

/**
 * `a, b and c`; of a longer list `a, b, c, d, e and 7 more`; of an empty one `nobody`.
 *
 * @param {string[]} names
 */
export function listed(names, limit = 5) {
  const shown = names.slice(0, limit);
  if (names.length > limit) shown.push(`${number(names.length - limit)} more`);
  const last = shown.pop();
  if (last === undefined) return 'nobody';
  return shown.length ? `${shown.join(', ')} and ${last}` : last;
}
