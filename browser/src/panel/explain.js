// Why does it show this number? In one or two plain sentences, from what is known.

import { counted, duration, listed, number } from '../words.js';
import { brief, lifted } from './states.js';

/**
 * @typedef {import('./states.js').State} State
 *
 * @typedef {object} Origin how this browser came to a slot's number
 * @property {number} count
 * @property {string} node who told; empty for another tab of this browser
 * @property {number} at_ms
 *
 * @typedef {object} Known
 * @property {number} shown
 * @property {number} now_ms
 * @property {boolean} online
 * @property {string} storage where states are stored
 * @property {{state: 'loading' | 'ready' | 'failed', why: string}} merge
 * @property {{state: 'heard' | 'connecting' | 'paused' | 'unseen', since_ms: number}} live
 * @property {{node: string, state: State, at_ms: number}} [received] the last message
 * @property {boolean} waiting a message is still to be merged
 * @property {State} [merged]
 * @property {Map<string, Origin>} origins
 * @property {string[]} heardFrom nodes, since this page began
 * @property {string[]} discarded what was stored and no state
 *
 * @typedef {object} Explanation
 * @property {string} kind of situation; it changes seldom, the text with each number
 * @property {string} text
 * @property {string[]} notes what else matters
 */

/** The base's place among the slots. No slot is named so. */
export const BASE = 'base';

const MOST_SLOTS = 3;
const NEWS_S = 5;

/** @param {Known} known @returns {Explanation} */
export function explain(known) {
  const [kind, text] = why(known);
  return { kind, text, notes: notes(known) };
}

/** @param {Known} known @returns {[string, string]} */
function why(known) {
  const { merge, merged, received, shown, waiting } = known;
  if (merge.state === 'failed')
    return [
      'failed',
      `${unmerged(known)} Merging doesn’t work in this browser (${merge.why}), so views that only other nodes know of are not added.`,
    ];
  if (!merged) return ['loading', `${unmerged(known)} Merging begins when Python has been loaded.`];
  if (waiting && received && ahead(received.state, merged))
    return [
      'merging',
      `${number(shown)}: ${who(received.node)} says ${number(received.state.value)}, and that is just being merged.`,
    ];
  if (shown > merged.value)
    return [
      'mark',
      `${number(shown)}: it was shown, or answered to a view, before, and a number that was shown never goes down. What this browser has merged comes to ${number(merged.value)}.`,
    ];

  const ours = `${number(shown)}: that is what this browser has merged`;
  if (!received)
    return [
      'stored',
      `${ours} in earlier visits. No node has been heard yet since this page began.`,
    ];
  const lacks = lacking(merged, received.state, known.origins);
  const says = `${who(received.node)}, which answers here, says ${number(received.state.value)}`;
  if (!lacks.length)
    return ['same', `${ours}, and ${who(received.node)}, which answers here, says the same.`];
  const unknown = lacks.filter(({ origin }) => !origin);
  if (unknown.length)
    return ['unknown', `${ours}. ${capital(says)}: ${nobodyKnows(unknown, known.heardFrom)}`];
  return ['stale', `${ours}. ${capital(says)}: it has not heard of ${told(lacks, known.now_ms)}.`];
}

/**
 * Of a number that no merge stands behind.
 *
 * @param {Known} known
 */
function unmerged({ shown, received }) {
  if (!received)
    return `${number(shown)}: the highest of what the page came with and what this browser has shown before; no node has been heard yet.`;
  const { value } = received.state;
  return shown > value
    ? `${number(shown)}: the highest number that this browser has shown or any one node has said (${who(received.node)} says ${number(value)}).`
    : `${number(shown)}: the highest that any one node has said, which is ${who(received.node)}.`;
}

/**
 * Whether a node has told of something that isn't merged (yet).
 *
 * @param {State} theirs
 * @param {State} ours
 */
function ahead(theirs, ours) {
  return Object.entries(theirs.slots).some(([slot, count]) =>
    slot in ours.slots ? count > ours.slots[slot] : !lifted(theirs, ours).slots.includes(slot),
  );
}

/**
 * What a node lacks of what is merged here.
 *
 * @param {State} merged
 * @param {State} theirs
 * @param {Map<string, Origin>} origins
 * @returns {{what: string, views: number, origin: Origin | undefined}[]} the most first
 */
export function lacking(merged, theirs, origins) {
  const origin = (/** @type {string} */ what, /** @type {number} */ count) => {
    const known = origins.get(what);
    return known && known.count >= count ? known : undefined;
  };
  const lacks = Object.entries(merged.slots)
    .map(([slot, count]) => ({
      what: slot,
      views: count - (theirs.slots[slot] ?? 0),
      origin: origin(slot, count),
    }))
    .filter(({ views }) => views > 0);
  // Their base as ours would be: with all that is folded here.
  const base = theirs.base + lifted(theirs, merged).views;
  if (merged.base > base) {
    const hasFolded = Object.entries(merged.folded).some(
      ([node, generation]) => generation > (theirs.folded[node] ?? -1),
    );
    // A node that has not heard of a fold may lack rows of what was folded. One that has, can't.
    const folding = hasFolded ? { count: merged.base, node: '', at_ms: 0 } : undefined;
    lacks.push({
      what: BASE,
      views: merged.base - base,
      origin: origin(BASE, merged.base) ?? folding,
    });
  }
  return lacks.sort((one, other) => other.views - one.views);
}

/**
 * @param {{what: string, views: number, origin?: Origin}[]} lacks
 * @param {number} now_ms
 */
function told(lacks, now_ms) {
  const said = lacks.slice(0, MOST_SLOTS).map(({ what, views, origin }) => {
    if (what === BASE)
      return `${counted(views, 'view')} in slots that have been folded into the base since`;
    const from = origin?.node ? who(origin.node) : 'another tab';
    return `${counted(views, 'view')} in slot ${brief(what)}, which this browser got from ${from} ${ago(origin?.at_ms ?? now_ms, now_ms)}`;
  });
  return joined([...said, ...rest(lacks)]);
}

/**
 * @param {{what: string, views: number}[]} lacks
 * @param {string[]} heardFrom
 */
function nobodyKnows(lacks, heardFrom) {
  const slots = lacks.filter(({ what }) => what !== BASE);
  const base = lacks.find(({ what }) => what === BASE);
  const things = slots
    .slice(0, MOST_SLOTS)
    .map(({ what, views }) => `${counted(views, 'view')} in slot ${brief(what)}`);
  if (base) things.push(`${counted(base.views, 'view')} in the base`);
  const nodes = `no node that was heard from (${listed(heardFrom)})`;
  return `${nodes} knows ${joined([...things, ...rest(slots)])}. Either they are behind or have lost them, or what is stored here is not true; a browser can’t tell, so it keeps them. Clear forgets them.`;
}

/** @param {{views: number}[]} lacks */
function rest(lacks) {
  const more = lacks.slice(MOST_SLOTS);
  if (!more.length) return [];
  return [
    `${number(more.reduce((sum, { views }) => sum + views, 0))} in ${counted(more.length, 'more slot')}`,
  ];
}

/** @param {Known} known */
function notes({ discarded, storage, live, online, now_ms }) {
  const said = [];
  if (discarded.length) {
    said.push(
      `What was found stored here (${discarded.join(' and ')}) was garbage and was discarded; the number is built anew from what nodes say.`,
    );
  }
  if (storage === 'off') said.push('Storage is off: a reload begins with what its node says.');
  const since = duration((now_ms - live.since_ms) / 1000);
  if (live.state === 'paused') said.push('You have paused the messages, so nothing new comes in.');
  else if (!online) said.push('This browser is offline, so nothing new comes in.');
  else if (live.state === 'connecting' && now_ms - live.since_ms > NEWS_S * 1000)
    said.push(`No node has been reached for ${since}.`);
  return said;
}

/** @param {string} node */
export const who = (node) => (node ? `node ${node}` : 'a node');

/** @param {number} at_ms @param {number} now_ms */
export function ago(at_ms, now_ms) {
  const past_s = (now_ms - at_ms) / 1000;
  return past_s < NEWS_S ? 'just now' : `${duration(past_s).split(' ').slice(0, 2).join(' ')} ago`;
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Like `listed`, for parts that have commas of their own.
 *
 * @param {string[]} things
 */
const joined = (things) => things.join(', and ');
