// The operators' page but for its plot: the verdict, what to do, and the tables.

import { child, list, write } from './elements.js';
import { counted, duration, listed, number, split } from './words.js';

/** @typedef {import('./cluster-state.js').ClusterState} ClusterState */
/** @typedef {import('./cluster-state.js').Member} Member */
/** @typedef {import('./cluster-state.js').SlotState} SlotState */

// Nodes say once a second what they have. On a busy cluster each lacks what was counted since; more
// than that is worth a word.
const FAR_BEHIND = 10_000;
// Names come and go for years; the base has room for all, a page hasn't.
const MOST_FOLDED = 60;

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
  const [verdict, self, todo, advice, seen, members, slots, foldsSheet, folds, base, folded] = [
    'verdict',
    'self',
    'todo',
    'advice',
    'seen',
    'members',
    'slots',
    'folds-sheet',
    'folds',
    'base',
    'folded',
  ].map((id) => /** @type {HTMLElement} */ (document.getElementById(id)));

  /** @type {(text: string, mood: string) => void} */
  const say = (text, mood) => {
    write(verdict, text);
    verdict.dataset.mood = mood;
  };

  return {
    /** @param {ClusterState} state */
    show(state) {
      seen.hidden = false;
      for (const part of [self, todo, seen]) part.classList.remove('old');
      const [text, mood] = verdictOf(state);
      say(text, mood);
      const where = state.slot ? `and counts in slot ${state.slot}` : 'and its slot isn’t open yet';
      write(self, `Node ${state.node} ${NODE_STATES[state.state] ?? state.state}, ${where}.`);

      todo.hidden = !state.advice.length;
      const said = state.advice.map(split);
      list(
        advice,
        said.map((one, at) => one.command || String(at)),
        'li',
        (item, at) => {
          write(child(item, 'p', 'said'), said[at].said);
          if (said[at].command) write(child(item, 'code', 'command'), said[at].command);
        },
      );

      list(members, state.members.map(memberKey), 'tr', (row, at) => {
        member(row, state.members[at], state.time);
      });
      list(
        slots,
        state.slots.map((one) => one.slot),
        'tr',
        (row, at) => {
          slot(row, state.slots[at], state);
        },
      );

      foldsSheet.hidden = !state.folds.length;
      list(
        folds,
        state.folds.map((one) => one.node),
        'li',
        (item, at) => {
          fold(item, state.folds[at]);
        },
      );

      write(
        base,
        `${counted(state.base.views, 'view')} of ${counted(state.base.videos, 'video')}.`,
      );
      const chips = state.folded
        .slice(0, MOST_FOLDED)
        .map(
          (one) =>
            `${one.node}: ${counted(one.views, 'view')}, up to ${one.node}@${one.generation}`,
        );
      const more = state.folded.length - MOST_FOLDED;
      if (more > 0) chips.push(`and ${counted(more, 'name')} more`);
      list(
        folded,
        chips.map((_, at) => String(at)),
        'li',
        (item, at) => {
          write(item, chips[at]);
        },
      );
    },
    /**
     * The node doesn't answer.
     *
     * @param {string} why
     * @param {Date} [heard] when it last did
     */
    silent(why, heard) {
      const known = heard ? ` What stands below is from ${heard.toLocaleTimeString()}.` : '';
      say(`Node ${node} doesn’t answer. ${why}${known}`, 'bad');
      for (const part of [self, todo, seen]) part.classList.add('old');
    },
  };
}

/** @param {ClusterState} state */
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

/** @param {Member} one */
const memberKey = (one) => one.process ?? `missing ${one.node}`;

/**
 * @param {HTMLElement} row
 * @param {Member} one
 * @param {number} now
 */
function member(row, one, now) {
  const since = one.since === null ? '' : ` for ${duration(now - one.since)}`;
  /** @type {Record<string, [string, string]>} */
  const said = {
    here: [`this node${since && ', up'}${since}`, 'good'],
    connected: [`connected${since}`, 'good'],
    heard: ['alive, but not connected to this node', 'warn'],
    missing: [`not heard${since}`, 'bad'],
  };
  const [text, mood] = said[one.state] ?? [one.state, 'warn'];
  const lag = (/** @type {number | null} */ rows) => {
    if (one.state === 'here') return ['—', ''];
    if (rows === null) return ['not known', ''];
    return rows ? [counted(rows, 'row'), rows >= FAR_BEHIND ? 'warn' : ''] : ['nothing', ''];
  };
  const [lacks, lacksMood] = lag(one.behind);
  const [ahead, aheadMood] = lag(one.ahead);
  row.dataset.node = one.node;
  cells(row, [
    ['Node', one.node, 'name', ''],
    ['State', text, 'state', mood],
    ['It lacks', lacks, 'n', lacksMood],
    ['We lack', ahead, 'n', aheadMood],
    ['Address', one.url || '—', 'address', ''],
  ]);
}

/**
 * @param {HTMLElement} row
 * @param {SlotState} one
 * @param {ClusterState} state
 */
function slot(row, one, state) {
  const closed = one.state !== 'open';
  const since = one.since === null ? '' : ` for ${duration(state.time - one.since)}`;
  const [who, mood] = holders(one, state.members);
  row.dataset.slot = one.slot;
  cells(row, [
    ['Slot', one.slot, 'name', ''],
    ['State', `${one.state}${since}`, 'state', closed ? 'warn' : 'good'],
    ['Videos', number(one.videos), 'n', ''],
    ['Views', number(one.views), 'n', ''],
    ['Rows', number(one.upto), 'n', ''],
    ['On disk', who, '', mood],
  ]);
}

/**
 * Who has all of a slot, and who lacks how much: of those members that can tell.
 *
 * @param {SlotState} one
 * @param {Member[]} members
 */
function holders(one, members) {
  if (one.state === 'lifting') return ['on its way into the base', 'warn'];
  const telling = members.filter(({ state }) => state === 'here' || state === 'connected');
  const held = new Map(telling.map(({ node }) => [node, one.held[node] ?? 0]));
  const top = Math.max(one.upto, ...held.values());
  const full = [...held].filter(([, upto]) => upto >= top).map(([node]) => node);
  const lacks = [...held].filter(([, upto]) => upto < top);
  if (!lacks.length) return [full.length > 2 ? `all ${full.length} of us` : listed(full), ''];
  const said = lacks.map(([node, upto]) => `${node} lacks ${number(top - upto)}`);
  const far = lacks.some(([, upto]) => top - upto >= FAR_BEHIND);
  return [`${listed(full)}; ${listed(said, 3)}`, far ? 'warn' : ''];
}

/**
 * @param {HTMLElement} item
 * @param {import('./cluster-state.js').Fold} one
 */
function fold(item, { node, generation, slots, obstacles }) {
  write(
    child(item, 'p', 'fold-name'),
    `${counted(slots, 'slot')} of ${node}, up to ${node}@${generation}`,
  );
  const why = child(item, 'ul', 'obstacles');
  const texts = obstacles.map((one) => one.text);
  if (!texts.length) texts.push('Nothing is in the way: it is about to happen.');
  list(
    why,
    texts.map((_, at) => String(at)),
    'li',
    (line, at) => {
      write(line, texts[at]);
      line.dataset.mood = (obstacles[at]?.kind ?? 'grace') === 'grace' ? '' : 'warn';
    },
  );
}

/**
 * A row's cells: [head, text, class, mood]. On a phone each shows its head.
 *
 * @param {HTMLElement} row
 * @param {string[][]} said
 */
function cells(row, said) {
  said.forEach(([head, text, name, mood], at) => {
    let cell = /** @type {HTMLElement} */ (row.children[at]);
    if (!cell) {
      cell = document.createElement(at ? 'td' : 'th');
      if (!at) cell.setAttribute('scope', 'row');
      cell.className = name;
      cell.dataset.head = head;
      row.append(cell);
    }
    write(cell, text);
    if (cell.dataset.mood !== mood) cell.dataset.mood = mood;
  });
}
