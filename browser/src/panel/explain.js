// Explains in one or two plain sentences why the page shows this number.

/**
 * @import { Silence } from '../live.js'
 * @import { Lack, Origin } from './lacking.js'
 * @import { State } from './states.js'
 */

import { ago, counted, duration, listed, number } from '../english.js';
import { BASE, isAhead, lacking } from './lacking.js';
import { brief } from './states.js';

/**
 * @typedef {object} Known
 * @property {number} shown
 * @property {number} now_ms
 * @property {boolean} online
 * @property {string} storage where states are stored
 * @property {{state: 'loading' | 'ready' | 'failed', why: string}} merge
 * @property {{state: 'received' | Silence, since_ms: number}} live
 * @property {{node: string, state: State, at_ms: number}} [received] the last message
 * @property {boolean} waiting a message is still to be merged
 * @property {State} [merged]
 * @property {Map<string, Origin>} origins
 * @property {string[]} senders nodes that have sent a message since this page began
 * @property {string[]} discarded the parts of the stored state that were garbage
 *
 * @typedef {'failed' | 'loading' | 'merging' | 'mark' | 'stored' | 'same' | 'unknown' | 'stale'} Kind
 *
 * @typedef {object} Explanation
 * @property {Kind} kind of situation; it changes seldom, but the text changes with each number
 * @property {string} text
 * @property {string[]} notes what else matters
 */

const MOST_SLOTS = 3;
// Reconnecting takes a moment, and needs no note.
const UNREACHED_MS = 5_000;

/**
 * @param {Known} known
 * @returns {Explanation}
 */
export function explain(known) {
  const [kind, text] = why(known);
  return { kind, text, notes: notesOf(known) };
}

/**
 * @param {Known} known
 * @returns {[Kind, string]}
 */
function why(known) {
  const { merge, merged, received, shown, waiting } = known;
  if (merge.state === 'failed') {
    const missing = 'so views that only other nodes know are missing';
    const failed = `Merging doesn’t work in this browser (${merge.why}), ${missing}.`;
    return ['failed', `${unmerged(known)} ${failed}`];
  }
  if (!merged) return ['loading', `${unmerged(known)} Merging begins when Python is loaded.`];
  if (waiting && received && isAhead(received.state, merged)) {
    const says = `${nodeName(received.node)} says ${number(received.state.value)}`;
    return ['merging', `${number(shown)}: ${says}, and that is being merged just now.`];
  }
  if (shown > merged.value) {
    const before = 'was shown before, or was the answer when a view was counted';
    const never = 'a number that was shown never goes down';
    const comes = `What this browser has merged comes to ${number(merged.value)}.`;
    return ['mark', `${number(shown)} ${before}; ${never}. ${comes}`];
  }
  const ours = `${number(shown)} is what this browser has merged`;
  if (!received) {
    return ['stored', `${ours} in earlier visits. No message has come since this page was opened.`];
  }
  const node = `${nodeName(received.node)}, which answers here,`;
  const lacks = lacking(merged, received.state, known.origins);
  if (!lacks.length) return ['same', `${ours}, and ${node} says the same.`];
  const says = `${ours}. ${capital(node)} says ${number(received.state.value)}`;
  const unknown = lacks.filter(({ origin }) => !origin);
  if (unknown.length) return ['unknown', `${says}. ${unknownToAll(unknown, known.senders)}`];
  return ['stale', `${says}: it has not received ${receivedHere(lacks, known.now_ms)}.`];
}

/**
 * Why this number is shown, while there is no merge behind it.
 *
 * @param {Known} known
 */
function unmerged({ shown, received }) {
  if (!received) {
    const two = 'what the page came with, and what this browser has shown before';
    return `${number(shown)} is the higher of two numbers: ${two}. No node has sent a message yet.`;
  }
  const node = nodeName(received.node);
  const { value } = received.state;
  if (shown <= value) {
    return `${number(shown)} is the highest number that any node has sent, and ${node} sent it.`;
  }
  const either = 'that this browser has shown or any node has sent';
  return `${number(shown)} is the highest number ${either} (${node} says ${number(value)}).`;
}

/**
 * @param {Lack[]} lacks
 * @param {number} now_ms
 */
function receivedHere(lacks, now_ms) {
  const first = lacks.slice(0, MOST_SLOTS).map(({ slot, views, origin }) => {
    if (slot === BASE) return `${counted(views, 'view')} in slots that are folded by now`;
    const sender = origin?.node ? nodeName(origin.node) : 'another tab';
    const when = ago(origin?.at_ms ?? now_ms, now_ms);
    return `${viewsIn(slot, views)}, which this browser got from ${sender} ${when}`;
  });
  return joined([...first, ...rest(lacks)]);
}

/**
 * @param {Lack[]} lacks
 * @param {string[]} senders
 */
function unknownToAll(lacks, senders) {
  const slots = lacks.filter(({ slot }) => slot !== BASE);
  const base = lacks.find(({ slot }) => slot === BASE);
  const things = slots.slice(0, MOST_SLOTS).map(({ slot, views }) => viewsIn(slot, views));
  if (base) things.push(`${counted(base.views, 'view')} in the base`);
  return [
    `No node that has sent a message (${listed(senders)}) knows ${joined([...things, ...rest(slots)])}.`,
    'Either these nodes are behind or have lost them, or what is stored here is not true.',
    'A browser can’t tell which, so it keeps them. Clear forgets them.',
  ].join(' ');
}

/**
 * @param {string} slot
 * @param {number} views
 */
const viewsIn = (slot, views) => `${counted(views, 'view')} in slot ${brief(slot)}`;

/** @param {Lack[]} lacks */
function rest(lacks) {
  const more = lacks.slice(MOST_SLOTS);
  if (!more.length) return [];
  const views = more.reduce((sum, lack) => sum + lack.views, 0);
  return [`${number(views)} in ${counted(more.length, 'more slot')}`];
}

/** @param {Known} known */
function notesOf({ discarded, storage, live, online, now_ms }) {
  const notes = [];
  if (discarded.length) {
    const garbage = `What was stored here (${discarded.join(' and ')}) was garbage and was discarded`;
    notes.push(`${garbage}; the number is built anew from what nodes send.`);
  }
  if (storage === 'off') notes.push('Storage is off: a reload begins with what its node says.');
  const silent_ms = now_ms - live.since_ms;
  if (live.state === 'paused') {
    notes.push('You have paused the messages, so nothing new comes in.');
  } else if (!online) {
    notes.push('This browser is offline, so nothing new comes in.');
  } else if (live.state === 'connecting' && silent_ms > UNREACHED_MS) {
    notes.push(`No node has been reached for ${duration(silent_ms / 1000)}.`);
  }
  return notes;
}

/** @param {string} node */
export const nodeName = (node) => (node ? `node ${node}` : 'a node');

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Like `listed`, for parts that have commas of their own.
 *
 * @param {string[]} parts
 */
const joined = (parts) => parts.join(', and ');
