// The cells of the table of states: heads, bars of one slot, and the bar of all parts of a number.

/** @import { State } from './states.js' */

import { child, list, write } from '../elements.js';
import { number } from '../english.js';

// Narrower parts than these would not be seen.
const MOST_PARTS = 40;

/**
 * @param {HTMLElement} row
 * @param {string} name
 * @param {string} meaning
 * @param {string} [hue] of its chip; `base` for the base's own; none for a row without bars
 */
export function headOf(row, name, meaning, hue) {
  const head = child(row, 'th', 'bars-head');
  head.setAttribute('scope', 'row');
  if (hue) colour(child(head, 'i', 'chip'), hue);
  write(child(head, 'span', 'bars-slot'), name);
  write(child(head, 'small', 'soft'), meaning);
}

/**
 * @param {HTMLElement} row
 * @param {string} key
 * @param {string} title what a phone shows before the cell
 */
export function cellOf(row, key, title) {
  const cell = child(row, 'td', `bars-${key}`);
  cell.dataset.head = title;
  return cell;
}

/**
 * @param {HTMLElement} cell
 * @param {number | undefined} count
 * @param {number} most what the longest bar stands for
 * @param {string} hue or `base`
 * @param {boolean} wins whether it is the larger one of stored and received
 * @param {string} [absent] what to show without a count
 */
export function drawBar(cell, count, most, hue, wins, absent = '') {
  cell.classList.toggle('wins', wins);
  cell.classList.toggle('absent', count === undefined);
  const track = child(cell, 'span', 'track-bar');
  const filled = child(track, 'i', 'segment');
  colour(filled, hue);
  filled.hidden = !count;
  const share = (count ?? 0) / most;
  track.style.setProperty('--share', String(Math.min(1, share)));
  track.classList.toggle('over', share > 1);
  write(child(cell, 'span', 'bars-count'), count === undefined ? absent : number(count));
  write(child(cell, 'span', 'unseen'), wins ? ', the larger one' : '');
}

/**
 * @param {HTMLElement} cell
 * @param {State} state
 * @param {string[]} slots in the order of their parts
 * @param {number} most what the longest bar stands for
 * @param {(slot: string) => string} hueOf
 */
export function drawParts(cell, state, slots, most, hueOf) {
  const track = child(cell, 'span', 'track-bar');
  track.style.setProperty('--share', String(state.value / most));
  const largest = slots
    .filter((slot) => state.slots[slot])
    .sort((one, other) => state.slots[other] - state.slots[one]);
  const shown = new Set(largest.slice(0, MOST_PARTS));
  const parts = slots.filter((slot) => shown.has(slot));
  list(track, ['base', ...parts], 'i', (segment, at) => {
    segment.className = 'segment';
    colour(segment, at === 0 ? 'base' : hueOf(parts[at - 1]));
    segment.style.flexGrow = String(at === 0 ? state.base : state.slots[parts[at - 1]]);
  });
}

/**
 * @param {HTMLElement} element
 * @param {string} hue or `base`
 */
function colour(element, hue) {
  element.classList.toggle('chip-base', hue === 'base');
  if (hue !== 'base') element.style.setProperty('--hue', hue);
}
