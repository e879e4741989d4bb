// The operators' page but for its plot: the verdict, what to do, and the tables.

/** @import { ClusterState, Fold, Member, SlotState } from './cluster-state.js' */

import { byId, child, list, listTexts, write } from './elements.js';
import { counted, duration, listed, number, splitAdvice } from './english.js';

// Nodes say once a second what they have, so on a busy cluster each lacks the rows of the last
// second. More than that is worth a word.
const FAR_BEHIND = 10_000;
// Names come and go for years. The base has room for all of them, a page has not.
const MOST_FOLDED = 60;

/** @typedef {'good' | 'warn' | 'bad' | ''} Mood */

/** @type {Record<string, string>} */
const NODE_STATES = {
  starting: 'has just started: it takes views, and refuses reads until it has what the others have',
  serving: 'serves',
  draining: 'is stopping: it takes no more views and hands over; it means to come back',
  leaving: 'is leaving for good: it takes no more views, hands over and closes its slot',
  superseded: 'is superseded: a newer process has its name; this one hands over and stops',
};

/** @param {string} node */
export function openView(node) {
  const verdict = byId('verdict');
  const self = byId('self');
  const todo = byId('todo');
  const seen = byId('seen');

  /**
   * @param {string} text
   * @param {Mood} mood
   */
  const showVerdict = (text, mood) => {
    write(verdict, text);
    verdict.dataset.mood = mood;
  };

  return {
    /** @param {ClusterState} state */
    show(state) {
      seen.hidden = false;
      for (const part of [self, todo, seen]) part.classList.remove('old');
      showVerdict(...verdictOf(state));
      const where = state.slot ? `and counts in slot ${state.slot}` : 'and its slot isn’t open yet';
      write(self, `Node ${state.node} ${NODE_STATES[state.state] ?? state.state}, ${where}.`);
      todo.hidden = !state.advice.length;
      showAdvice(state.advice);
      list(byId('members'), state.members.map(memberKey), 'tr', (row, at) => {
        showMember(row, state.members[at], state.time);
      });
      const slots = state.slots.map(({ slot }) => slot);
      list(byId('slots'), slots, 'tr', (row, at) => showSlot(row, state.slots[at], state));
      byId('folds-sheet').hidden = !state.folds.length;
      const folding = state.folds.map((fold) => fold.node);
      list(byId('folds'), folding, 'li', (item, at) => showFold(item, state.folds[at]));
      showBase(state);
    },
    /**
     * The node does not answer.
     *
     * @param {string} why
     * @param {Date} [answered] when it last did
     */
    silent(why, answered) {
      const from = answered ? ` What stands below is from ${answered.toLocaleTimeString()}.` : '';
      showVerdict(`Node ${node} doesn’t answer. ${why}${from}`, 'bad');
      for (const part of [self, todo, seen]) part.classList.add('old');
    },
  };
}

/**
 * @param {ClusterState} state
 * @returns {[text: string, mood: Mood]}
 */
function verdictOf({ members, advice }) {
  const names = new Set(members.map((one) => one.node));
  const missing = members.filter((one) => one.state === 'missing').map((one) => one.node);
  const behind = members.filter((one) => (one.behind ?? 0) >= FAR_BEHIND).map((one) => one.node);
  const nodes = counted(names.size, 'node');
  if (missing.length) return [`${nodes}; ${listed(missing)} can’t be heard.`, 'bad'];
  if (advice.length) return [`${nodes}; something needs a look.`, 'warn'];
  const fetching = behind.length ? `; ${listed(behind)} still fetching what it missed` : '';
  return [`${nodes}, all is well${fetching}.`, 'good'];
}

/**
 * An item is kept while its command is the same: somebody may be copying it.
 *
 * @param {string[]} advice
 */
function showAdvice(advice) {
  const parts = advice.map(splitAdvice);
  const keys = parts.map(({ command }, at) => command || String(at));
  list(byId('advice'), keys, 'li', (item, at) => {
    const { text, command } = parts[at];
    write(child(item, 'p', 'said'), text);
    if (command) write(child(item, 'code', 'command'), command);
  });
}

/** @param {Member} member */
const memberKey = (member) => member.process ?? `missing ${member.node}`;

/**
 * @param {HTMLElement} row
 * @param {Member} member
 * @param {number} now_s
 */
function showMember(row, member, now_s) {
  const since = member.since === null ? '' : ` for ${duration(now_s - member.since)}`;
  /** @type {Record<Member['state'], [string, Mood]>} */
  const states = {
    here: [`this node${since && ', up'}${since}`, 'good'],
    connected: [`connected${since}`, 'good'],
    heard: ['alive, but not connected to this node', 'warn'],
    missing: [`not heard${since}`, 'bad'],
  };
  row.dataset.node = member.node;
  // A page that is older than its node may not know every state.
  showCells(row, [
    ['Node', 'name', member.node, ''],
    ['State', 'state', ...(states[member.state] ?? [member.state, 'warn'])],
    ['It lacks', 'n', ...lagOf(member, member.behind)],
    ['We lack', 'n', ...lagOf(member, member.ahead)],
    ['Address', 'address', member.url || '—', ''],
  ]);
}

/**
 * @param {Member} member
 * @param {number | null} rows
 * @returns {[text: string, mood: Mood]}
 */
function lagOf(member, rows) {
  if (member.state === 'here') return ['—', ''];
  if (rows === null) return ['not known', ''];
  return rows ? [counted(rows, 'row'), rows >= FAR_BEHIND ? 'warn' : ''] : ['nothing', ''];
}

/**
 * @param {HTMLElement} row
 * @param {SlotState} slot
 * @param {ClusterState} cluster
 */
function showSlot(row, slot, cluster) {
  const since = slot.since === null ? '' : ` for ${duration(cluster.time - slot.since)}`;
  row.dataset.slot = slot.slot;
  showCells(row, [
    ['Slot', 'name', slot.slot, ''],
    ['State', 'state', `${slot.state}${since}`, slot.state === 'open' ? 'good' : 'warn'],
    ['Videos', 'n', number(slot.videos), ''],
    ['Views', 'n', number(slot.views), ''],
    ['Rows', 'n', number(slot.upto), ''],
    ['On disk', '', ...holdersOf(slot, cluster.members)],
  ]);
}

/**
 * Which members have all of a slot, and which lack how much; only those that can tell.
 *
 * @param {SlotState} slot
 * @param {Member[]} members
 * @returns {[text: string, mood: Mood]}
 */
function holdersOf(slot, members) {
  if (slot.state === 'lifting') return ['on its way into the base', 'warn'];
  const telling = members.filter(({ state }) => state === 'here' || state === 'connected');
  const held = new Map(telling.map(({ node }) => [node, slot.held[node] ?? 0]));
  const top = Math.max(slot.upto, ...held.values());
  const full = [...held].filter(([, upto]) => upto >= top).map(([node]) => node);
  const lacks = [...held].filter(([, upto]) => upto < top);
  if (!lacks.length) return [full.length > 2 ? `all ${full.length} of us` : listed(full), ''];
  const lacking = lacks.map(([node, upto]) => `${node} lacks ${number(top - upto)}`);
  const isFar = lacks.some(([, upto]) => top - upto >= FAR_BEHIND);
  return [`${listed(full)}; ${listed(lacking, 3)}`, isFar ? 'warn' : ''];
}

/**
 * @param {HTMLElement} item
 * @param {Fold} fold
 */
function showFold(item, { node, generation, slots, obstacles }) {
  const what = `${counted(slots, 'slot')} of ${node}, up to ${node}@${generation}`;
  write(child(item, 'p', 'fold-name'), what);
  const texts = obstacles.map(({ text }) => text);
  if (!texts.length) texts.push('Nothing is in the way: it is about to happen.');
  listTexts(child(item, 'ul', 'obstacles'), texts, (line, at) => {
    line.dataset.mood = (obstacles[at]?.kind ?? 'grace') === 'grace' ? '' : 'warn';
  });
}

/** @param {ClusterState} state */
function showBase({ base, folded }) {
  write(byId('base'), `${counted(base.views, 'view')} of ${counted(base.videos, 'video')}.`);
  const chips = folded.slice(0, MOST_FOLDED).map(({ node, views, generation }) => {
    return `${node}: ${counted(views, 'view')}, up to ${node}@${generation}`;
  });
  const more = folded.length - MOST_FOLDED;
  if (more > 0) chips.push(`and ${counted(more, 'name')} more`);
  listTexts(byId('folded'), chips);
}

/**
 * On a phone each cell shows its head.
 *
 * @param {HTMLElement} row
 * @param {[head: string, className: string, text: string, mood: Mood][]} cells
 */
function showCells(row, cells) {
  for (const [at, [head, className, text, mood]] of cells.entries()) {
    const found = row.children[at];
    const cell = found instanceof HTMLElement ? found : addCell(row, head, className);
    write(cell, text);
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
