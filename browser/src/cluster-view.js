// The operators' page without its plot: lays out the node's report, with the node's words and moods.

/** @import { Advice, ClusterState, Fold, Member, SlotState, Verdict } from './cluster-state.js' */

import { byId, child, list, listTexts, write } from './elements.js';
import { counted, number } from './english.js';

// Names come and go for years. The base has room for all of them, but a page does not.
const MOST_FOLDED = 60;

/** @param {string} node */
export function openView(node) {
  const verdict = byId('verdict');
  const here = byId('here');
  const todo = byId('todo');
  const seen = byId('seen');

  /** @param {Verdict} shown */
  const showVerdict = ({ text, mood }) => {
    write(verdict, text);
    verdict.dataset.mood = mood;
  };

  return {
    /** @param {ClusterState} state */
    show(state) {
      seen.hidden = false;
      for (const part of [here, todo, seen]) part.classList.remove('old');
      showVerdict(state.headline);
      write(here, state.here);
      todo.hidden = !state.to_do.length;
      showAdvice(state.to_do);
      list(byId('members'), state.members.map(memberKey), 'tr', (row, at) => {
        showMember(row, state.members[at]);
      });
      const slots = state.slots.map(({ slot }) => slot);
      list(byId('slots'), slots, 'tr', (row, at) => showSlot(row, state.slots[at]));
      byId('folds-sheet').hidden = !state.folds.length;
      const folding = state.folds.map((fold) => fold.node);
      list(byId('folds'), folding, 'li', (item, at) => showFold(item, state.folds[at]));
      showBase(state);
      // An older node has no such views.
      byId('pending-sheet').hidden = !state.pending?.views;
      if (state.pending) write(byId('pending'), state.pending.how.text);
    },
    /**
     * The node does not answer.
     *
     * @param {string} why
     * @param {Date} [answered] when it last answered
     */
    silent(why, answered) {
      const from = answered ? ` What stands below is from ${answered.toLocaleTimeString()}.` : '';
      showVerdict({ text: `Node ${node} doesn’t answer. ${why}${from}`, mood: 'act' });
      for (const part of [here, todo, seen]) part.classList.add('old');
    },
  };
}

/**
 * Keeps an item while its command is the same: an operator may be copying it.
 *
 * @param {Advice[]} advice
 */
function showAdvice(advice) {
  const keys = advice.map(({ command }, at) => command ?? String(at));
  list(byId('advice'), keys, 'li', (item, at) => {
    const { text, command } = advice[at];
    write(child(item, 'p', 'said'), text);
    if (command) write(child(item, 'code', 'command'), command);
  });
}

/** @param {Member} member */
const memberKey = (member) => member.process ?? `missing ${member.node}`;

/**
 * @param {HTMLElement} row
 * @param {Member} member
 */
function showMember(row, member) {
  row.dataset.node = member.node;
  showCells(row, [
    ['Node', 'name', member.node],
    ['State', 'state', member.how],
    ['It lacks', 'n', member.it_lacks],
    ['We lack', 'n', member.we_lack],
    ['Address', 'address', member.url ?? ''],
  ]);
}

/**
 * @param {HTMLElement} row
 * @param {SlotState} slot
 */
function showSlot(row, slot) {
  row.dataset.slot = slot.slot;
  showCells(row, [
    ['Slot', 'name', slot.slot],
    ['State', 'state', slot.how],
    ['Videos', 'n', number(slot.videos)],
    ['Views', 'n', number(slot.views)],
    ['Rows', 'n', number(slot.said)],
    ['On disk', '', slot.holders],
  ]);
}

/**
 * @param {HTMLElement} item
 * @param {Fold} fold
 */
function showFold(item, { text, obstacles }) {
  write(child(item, 'p', 'fold-name'), text);
  const texts = obstacles.map((one) => one.text);
  listTexts(child(item, 'ul', 'obstacles'), texts, (line, at) => {
    line.dataset.mood = obstacles[at].mood;
  });
}

/** @param {ClusterState} state */
function showBase({ base, folded }) {
  write(byId('base'), base.text);
  const chips = folded.slice(0, MOST_FOLDED).map(({ text }) => text);
  const more = folded.length - MOST_FOLDED;
  if (more > 0) chips.push(`and ${counted(more, 'more name')}`);
  listTexts(byId('folded'), chips);
}

/**
 * On a phone each cell also shows its column's head.
 *
 * @param {HTMLElement} row
 * @param {[head: string, className: string, content: string | Verdict][]} cells
 */
function showCells(row, cells) {
  for (const [at, [head, className, content]] of cells.entries()) {
    const { text, mood } = typeof content === 'string' ? { text: content, mood: '' } : content;
    const found = row.children[at];
    const cell = found instanceof HTMLElement ? found : addCell(row, head, className);
    write(cell, text || '—');
    if (cell.dataset.mood !== mood) cell.dataset.mood = mood;
  }
}

/**
 * @param {HTMLElement} row
 * @param {string} head
 * @param {string} className
 */
function addCell(row, head, className) {
  const isHead = row.children.length === 0;
  const cell = document.createElement(isHead ? 'th' : 'td');
  if (isHead) cell.setAttribute('scope', 'row');
  cell.className = className;
  cell.dataset.head = head;
  row.append(cell);
  return cell;
}
