// The states as a table: each slot's part of the number as a bar, in stored, received and merged alike.

/** @import { State } from './states.js' */

import { child, list, write } from '../elements.js';
import { clock, counted, number } from '../english.js';
import { cellOf, drawBar, drawParts, headOf } from './bar-cells.js';
import { make, tested } from './dom.js';
import { comparableBase } from './lacking.js';
import { allSlots, brief, lifted, NOTHING, parseSlot, started } from './states.js';

/**
 * @typedef {object} Column
 * @property {'stored' | 'received' | 'merged'} key
 * @property {string} name
 * @property {State | undefined} state
 * @property {string} from where the state comes from
 */

// Nobody reads more rows than this. The raw states below the table have all of them.
const MOST_ROWS = 200;
const MOST_FOLDED = 6;
// With this angle, each new hue is far from all hues before it, however many there are.
const GOLDEN_ANGLE = 137.508;

export function openBars() {
  const hueOf = openHues();
  const caption = 'Each slot’s part of the number, as stored, as received, and merged';
  const heads = make('tr');
  const body = tested(make('tbody'), 'panel-bars');
  const table = make(
    'table',
    { className: 'table bars' },
    make('caption', { className: 'unseen', textContent: caption }),
    make('thead', {}, heads),
    body,
  );
  const more = make('p', { className: 'soft' });
  const scroll = make(
    'div',
    { className: 'bars-scroll', tabIndex: 0, role: 'region', ariaLabel: 'The states' },
    table,
  );

  /** @param {Column[]} columns stored, received, merged */
  function draw(columns) {
    drawHeads(heads, columns);
    const slots = allSlots(...columns.map(({ state }) => state));
    const rows = slots.slice(0, MOST_ROWS);
    const hidden = slots.length - rows.length;
    // Slots are drawn in relation to each other: beside the base of years, all would be invisible.
    const views = columns.flatMap(({ state }) => Object.values(state?.slots ?? {}));
    const mostSlot = Math.max(1, ...views);

    list(body, ['value', 'base', ...rows, 'folded'], 'tr', (row, at) => {
      row.className = 'bars-row';
      if (row.dataset.key === 'value') drawValueRow(row, columns, slots, hueOf);
      else if (row.dataset.key === 'base') drawBaseRow(row, columns, mostSlot);
      else if (row.dataset.key === 'folded') drawFoldedRow(row, columns);
      else drawSlotRow(row, columns, rows[at - 2], mostSlot, hueOf);
    });
    write(more, hidden > 0 ? `and ${counted(hidden, 'more slot')}: see the raw states` : '');
  }

  return { element: make('div', {}, scroll, more), draw };
}

/** Gives hues to slots in the order in which they are first seen, so no slot's hue ever changes. */
function openHues() {
  /** @type {Map<string, number>} */
  const given = new Map();
  return (/** @type {string} */ slot) => {
    if (!given.has(slot)) given.set(slot, (30 + given.size * GOLDEN_ANGLE) % 360);
    return String(given.get(slot));
  };
}

/**
 * @param {HTMLElement} heads
 * @param {Column[]} columns
 */
function drawHeads(heads, columns) {
  list(heads, ['', ...columns.map(({ key }) => key)], 'th', (cell, at) => {
    cell.setAttribute('scope', 'col');
    if (at === 0) {
      write(child(cell, 'span', 'unseen'), 'Part');
      return;
    }
    write(child(cell, 'span', 'bars-name'), columns[at - 1].name);
    write(child(cell, 'span', 'soft'), columns[at - 1].from);
  });
}

/**
 * @param {HTMLElement} row
 * @param {Column[]} columns
 * @param {string[]} slots
 * @param {(slot: string) => string} hueOf
 */
function drawValueRow(row, columns, slots, hueOf) {
  headOf(row, 'value', 'base and slots together');
  const most = Math.max(1, ...columns.map(({ state }) => state?.value ?? 0));
  for (const { key, name, state } of columns) {
    const cell = cellOf(row, key, name);
    drawParts(cell, state ?? NOTHING, slots, most, hueOf);
    write(child(cell, 'span', 'bars-count'), state ? number(state.value) : 'not yet');
  }
}

/**
 * @param {HTMLElement} row
 * @param {Column[]} columns
 * @param {number} most
 */
function drawBaseRow(row, columns, most) {
  row.dataset.slot = 'base';
  headOf(row, 'base', 'all slots that were folded', 'base');
  const [stored, received, merged] = columns.map(({ state }) => state);
  // Compare the bases as after a lift: with the folded slots that either state still has.
  const bases = [stored, received].map(
    (state) => state && comparableBase(state, merged ?? NOTHING),
  );
  for (const [at, { key, name, state }] of columns.entries()) {
    const cell = cellOf(row, key, name);
    drawBar(cell, state?.base, most, 'base', isLarger(bases, at));
  }
}

/**
 * @param {HTMLElement} row
 * @param {Column[]} columns
 * @param {string} slot
 * @param {number} most
 * @param {(slot: string) => string} hueOf
 */
function drawSlotRow(row, columns, slot, most, hueOf) {
  row.dataset.slot = slot;
  const since = started(parseSlot(slot).generation);
  headOf(row, slot, since ? `started ${clock(since.getTime())}` : 'no start time', hueOf(slot));
  const states = columns.map(({ state }) => state);
  const [stored, received] = states;
  const counts = states.map((state) => state?.slots[slot]);
  const compared = [stored && (counts[0] ?? -1), received && (counts[1] ?? -1)];
  for (const [at, { key, name, state }] of columns.entries()) {
    const cell = cellOf(row, key, name);
    const absent = state ? whyAbsent(slot, state, states) : '';
    drawBar(cell, counts[at], most, hueOf(slot), isLarger(compared, at), absent);
  }
}

/**
 * Whether this one of the two is the larger one, which the merge takes.
 *
 * @param {(number | undefined)[]} counts stored and received
 * @param {number} at
 */
function isLarger([stored, received], at) {
  if (stored === undefined || received === undefined || stored === received) return false;
  return at === (stored > received ? 0 : 1);
}

/**
 * Why a state has no such slot.
 *
 * @param {string} slot
 * @param {State} state
 * @param {(State | undefined)[]} states stored, received, merged
 */
function whyAbsent(slot, state, [stored, received, merged]) {
  const isFolded =
    merged && [stored, received].some((one) => one && lifted(one, state).slots.includes(slot));
  return isFolded ? 'in the base' : 'none';
}

/**
 * @param {HTMLElement} row
 * @param {Column[]} columns
 */
function drawFoldedRow(row, columns) {
  headOf(row, 'folded', 'each of these starts, and older ones');
  for (const { key, name, state } of columns) {
    const slots = Object.entries(state?.folded ?? {})
      .sort()
      .map(([node, generation]) => `${node}@${generation}`);
    const shown = slots.slice(0, MOST_FOLDED).map(brief);
    if (slots.length > MOST_FOLDED) shown.push(`and ${number(slots.length - MOST_FOLDED)} more`);
    const text = child(cellOf(row, key, name), 'span', 'bars-folded');
    write(text, shown.join(', ') || (state ? 'none' : ''));
    text.title = slots.slice(0, MOST_ROWS).join('\n');
  }
}
