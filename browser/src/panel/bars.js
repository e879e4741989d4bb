// The states as a table: each slot's part of the number as a bar, in stored, received and merged alike.

import { child, list, write } from '../elements.js';
import { counted, number } from '../words.js';
import { make, tested, clock } from './parts.js';
import { NOTHING, allSlots, brief, lifted, parts, started } from './states.js';

/** @typedef {import('./states.js').State} State */
/** @typedef {{key: string, name: string, state: State | undefined, from: string}} Column */

// More rows than anybody reads; the raw states below the table have all of them.
const MOST_ROWS = 200;
const MOST_SEGMENTS = 40;
const MOST_FOLDED = 6;
// Each turn lands far from all hues before it, however many there are.
const GOLDEN_ANGLE = 137.508;

/** Hues are given in the order in which slots are first seen, so none ever changes. */
function hues() {
  /** @type {Map<string, number>} */
  const given = new Map();
  return (/** @type {string} */ slot) => {
    if (!given.has(slot)) given.set(slot, (30 + given.size * GOLDEN_ANGLE) % 360);
    return String(given.get(slot));
  };
}

export function openBars() {
  const hue = hues();
  const heads = make('tr');
  const body = tested(make('tbody'), 'panel-bars');
  const table = make(
    'table',
    { className: 'bars' },
    make('caption', {
      className: 'unseen',
      textContent: 'Each slot’s part of the number, as stored, as received, and merged',
    }),
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
    list(heads, ['', ...columns.map(({ key }) => key)], 'th', (cell, at) => {
      cell.setAttribute('scope', 'col');
      if (!at) return write(child(cell, 'span', 'unseen'), 'Part');
      write(child(cell, 'span', 'bars-name'), columns[at - 1].name);
      write(child(cell, 'span', 'soft'), columns[at - 1].from);
    });
    const [stored, received, merged] = columns.map(({ state }) => state);
    const slots = allSlots(stored, received, merged);
    const rows = slots.slice(0, MOST_ROWS);
    const most = Math.max(1, ...columns.map(({ state }) => state?.value ?? 0));
    // Slots are compared with each other. A base of years would make all of them invisible.
    const mostSlot = Math.max(
      1,
      ...columns.flatMap(({ state }) => Object.values(state?.slots ?? {})),
    );

    list(body, ['value', 'base', ...rows, 'folded'], 'tr', (row, at) => {
      row.className = 'bars-row';
      if (row.dataset.key === 'value') return valueRow(row, columns, slots, most);
      if (row.dataset.key === 'folded') return foldedRow(row, columns);
      const slot = row.dataset.key === 'base' ? '' : rows[at - 2];
      row.dataset.slot = slot || 'base';
      name(row, slot);
      const counts = columns.map(({ state }) => state && (slot ? state.slots[slot] : state.base));
      // Bases are compared as lift makes them equal: with what either side still has as slots.
      const [ours, theirs] = [stored, received].map((state) =>
        comparable(state, slot, merged ?? NOTHING),
      );
      columns.forEach(({ key, name: title, state }, column) => {
        const cell = cellOf(row, key, title);
        const count = counts[column];
        const wins =
          column < 2 &&
          ours !== theirs &&
          stored &&
          received &&
          [ours, theirs][column] === Math.max(ours, theirs);
        const gone = Boolean(
          slot &&
            state &&
            count === undefined &&
            merged &&
            [stored, received].some((one) => one && lifted(one, state).slots.includes(slot)),
        );
        cell.classList.toggle('wins', Boolean(wins));
        cell.classList.toggle('absent', count === undefined);
        bar(cell, count ?? 0, slot ? hue(slot) : '', (count ?? 0) / mostSlot);
        write(
          child(cell, 'span', 'bars-count'),
          count === undefined ? (gone ? 'in the base' : state ? 'none' : '') : number(count),
        );
        write(child(cell, 'span', 'unseen'), wins ? ', the larger one' : '');
      });
    });
    const hidden = slots.length - rows.length;
    write(more, hidden > 0 ? `and ${counted(hidden, 'more slot')}: see the raw states` : '');
  }

  /**
   * @param {HTMLElement} row
   * @param {string} slot empty for the base
   */
  function name(row, slot) {
    const head = headOf(row);
    const chip = child(head, 'i', 'chip');
    chip.classList.toggle('chip-base', !slot);
    if (slot) chip.style.setProperty('--hue', hue(slot));
    const label = child(head, 'span', 'bars-slot');
    write(label, slot || 'base');
    const since = slot ? started(parts(slot).generation) : undefined;
    write(
      child(head, 'small', 'soft'),
      slot
        ? since
          ? `started ${clock(since.getTime())}`
          : 'no start time'
        : 'all slots that were folded',
    );
  }

  /**
   * @param {HTMLElement} row
   * @param {Column[]} columns
   * @param {string[]} slots
   * @param {number} most
   */
  function valueRow(row, columns, slots, most) {
    const head = headOf(row);
    write(child(head, 'span', 'bars-slot'), 'value');
    write(child(head, 'small', 'soft'), 'base and slots together');
    for (const { key, name: title, state } of columns) {
      const cell = cellOf(row, key, title);
      const track = child(cell, 'span', 'track-bar');
      track.style.setProperty('--share', String((state?.value ?? 0) / most));
      const shown = state
        ? [...slots]
            .filter((slot) => state.slots[slot])
            .sort((a, b) => state.slots[b] - state.slots[a])
            .slice(0, MOST_SEGMENTS)
        : [];
      list(track, ['base', ...slots.filter((slot) => shown.includes(slot))], 'i', (segment) => {
        const slot = segment.dataset.key ?? '';
        segment.className = slot === 'base' ? 'segment chip-base' : 'segment';
        if (slot !== 'base') segment.style.setProperty('--hue', hue(slot));
        segment.style.flexGrow = String((slot === 'base' ? state?.base : state?.slots[slot]) ?? 0);
      });
      write(child(cell, 'span', 'bars-count'), state ? number(state.value) : 'not yet');
    }
  }

  return { element: make('div', {}, scroll, more), draw };
}

/**
 * @param {HTMLElement} row
 * @param {Column[]} columns
 */
function foldedRow(row, columns) {
  const head = headOf(row);
  write(child(head, 'span', 'bars-slot'), 'folded');
  write(child(head, 'small', 'soft'), 'each of these starts, and older ones');
  for (const { key, name: title, state } of columns) {
    const names = Object.entries(state?.folded ?? {}).sort();
    const said = names
      .slice(0, MOST_FOLDED)
      .map(([node, generation]) => brief(`${node}@${generation}`));
    if (names.length > MOST_FOLDED) said.push(`and ${number(names.length - MOST_FOLDED)} more`);
    const cell = cellOf(row, key, title);
    const text = child(cell, 'span', 'bars-folded');
    write(text, said.join(', ') || (state ? 'none' : ''));
    text.title = names
      .slice(0, MOST_ROWS)
      .map(([node, generation]) => `${node}@${generation}`)
      .join('\n');
  }
}

/**
 * @param {State | undefined} state
 * @param {string} slot
 * @param {State} merged
 */
function comparable(state, slot, merged) {
  if (!state) return -1;
  return slot ? (state.slots[slot] ?? -1) : state.base + lifted(state, merged).views;
}

/** @param {HTMLElement} row */
function headOf(row) {
  const head = child(row, 'th', 'bars-head');
  head.setAttribute('scope', 'row');
  return head;
}

/**
 * @param {HTMLElement} row
 * @param {string} key
 * @param {string} title
 */
function cellOf(row, key, title) {
  const cell = child(row, 'td', `bars-${key}`);
  cell.dataset.head = title;
  return cell;
}

/**
 * @param {HTMLElement} cell
 * @param {number} count
 * @param {string} hue empty for the base
 * @param {number} share
 */
function bar(cell, count, hue, share) {
  const track = child(cell, 'span', 'track-bar');
  const filled = child(track, 'i', 'segment');
  filled.classList.toggle('chip-base', !hue);
  filled.hidden = !count;
  if (hue) filled.style.setProperty('--hue', hue);
  track.style.setProperty('--share', String(Math.min(1, share)));
  track.classList.toggle('over', share > 1);
}
