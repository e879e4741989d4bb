// Gathers what the panel knows from the page's event log. It draws nothing, and sends no request.

/**
 * @import { Event } from '../event-log.js'
 * @import { Silence } from '../live.js'
 * @import { Transport } from '../transports.js'
 * @import { Kind as LinkKind } from '../merge-link.js'
 * @import { Merged } from '../merge-protocol.js'
 * @import { StorageKind, Stored } from '../storage/port.js'
 * @import { Origin } from './lacking.js'
 * @import { State } from './states.js'
 */

import { number } from '../english.js';
import { effect } from './effect.js';
import { nodeName } from './explain.js';
import { BASE } from './lacking.js';
import { NOTHING, readState } from './states.js';

/**
 * @typedef {object} Entry one line of the timeline
 * @property {number} id
 * @property {number} at_ms
 * @property {string} from a node, storage or another tab; empty for this page itself
 * @property {string} way the transport, or `replayed`
 * @property {string} text what happened
 * @property {'more' | 'same' | 'waits' | 'note' | 'bad'} mood
 * @property {string} snapshot its text; empty for a line without one
 * @property {string} node that sent the snapshot
 */

/** How many lines are kept, with their snapshots. */
export const MOST_ENTRIES = 100;
// A viewer reads a line at a glance. Only some errors have longer texts.
const LONGEST = 400;
// A replayed snapshot goes to the worker under a name that no node can have. Under its node's own
// name it would replace a newer snapshot that waits.
const AGAIN = ' again';

/** @type {Record<Silence, string>} */
const LOST = {
  connecting: 'the connection has ended; connecting again',
  paused: 'paused',
  unseen: 'nobody sees this page: the connection is closed until somebody does',
};

export class Facts {
  /** Where states are stored; empty until the first merge. @type {StorageKind | ''} */
  storage;
  /** @type {{state: 'loading' | 'ready' | 'failed', why: string, worker: LinkKind | '', after_ms: number}} */
  merge = { state: 'loading', why: '', worker: '', after_ms: 0 };
  /** @type {{state: 'received' | Silence, transport: Transport | '', since_ms: number}} */
  live = { state: 'connecting', transport: '', since_ms: Date.now() };
  /** The last message. @type {{node: string, state: State, at_ms: number, text: string} | undefined} */
  received;
  /** The state before the last merge. @type {State | undefined} */
  before;
  /** @type {State | undefined} */
  merged;
  /** The merged state as text, for export and for the panel's memory. @type {Stored} */
  stored = { counter: '', folded: '' };
  /** @type {Map<string, Origin>} */
  origins;
  /** The nodes that have sent a message; `?` for one without a name. @type {Set<string>} */
  senders = new Set();
  /** The parts of the stored state that were garbage. @type {string[]} */
  discarded = [];
  /** The newest first. @type {Entry[]} */
  entries = [];
  /** What this page has just done to the stored state; empty if another tab causes the next change. */
  replacing = '';
  /** Whether the viewer has paused the messages. */
  paused = false;
  #entriesEver = 0;

  /** @param {{storage: StorageKind | '', origins: Map<string, Origin>}} begin */
  constructor({ storage, origins }) {
    this.storage = storage;
    this.origins = origins;
  }

  /**
   * The name under which an entry's snapshot is merged again.
   *
   * @param {Entry} entry
   */
  again(entry) {
    return entry.node + AGAIN;
  }

  /** Whether a message still waits for its merge. */
  waits() {
    return this.entries.some(({ mood }) => mood === 'waits');
  }

  /**
   * @param {string} text
   * @param {Entry['mood']} [mood]
   */
  note(text, mood = 'note') {
    this.#add(Date.now(), { text, mood });
  }

  /** @param {Event} event */
  take(event) {
    const { at_ms } = event;
    switch (event.kind) {
      case 'received':
        this.#receive(event.text, event.node, event.transport, at_ms);
        break;
      case 'lost':
        this.#lose(event.why, event.transport, at_ms);
        break;
      case 'merged':
        this.#merge(event.merged, at_ms);
        break;
      case 'merge':
        this.merge = event;
        if (event.state === 'ready') this.#add(at_ms, { text: 'Python is here: merging begins.' });
        else this.#add(at_ms, { text: `Merging doesn’t work: ${event.why}`, mood: 'bad' });
        break;
      case 'storage':
        this.storage = event.storage;
        this.#add(at_ms, {
          text: `Stored in ${event.storage} from now on. ${event.why}`,
          mood: 'bad',
        });
        break;
      case 'log':
        this.#add(at_ms, { text: event.line });
        break;
    }
  }

  /**
   * @param {string} text
   * @param {string} node
   * @param {Transport} transport
   * @param {number} at_ms
   */
  #receive(text, node, transport, at_ms) {
    this.live = { state: 'received', transport, since_ms: at_ms };
    const from = nodeName(node);
    const state = readState(text);
    if (!state) {
      this.#add(at_ms, { from, way: transport, text: `no snapshot: ${text}`, mood: 'bad' });
      return;
    }
    this.received = { node, state, at_ms, text };
    this.senders.add(node || '?');
    for (const [slot, count] of Object.entries({ ...state.slots, [BASE]: state.base })) {
      this.#keepOrigin(slot, { count, node, at_ms });
    }
    const waits = { text: 'waits to be merged', mood: /** @type {const} */ ('waits') };
    this.#add(at_ms, { from, way: transport, ...waits, snapshot: text, node });
  }

  /**
   * @param {Silence} why
   * @param {Transport | ''} transport
   * @param {number} at_ms
   */
  #lose(why, transport, at_ms) {
    const since_ms = this.live.state === why ? this.live.since_ms : at_ms;
    if (this.live.state === 'received') this.#add(at_ms, { text: LOST[why], way: transport });
    this.live = { state: why, transport: '', since_ms };
  }

  /**
   * @param {Merged} merged
   * @param {number} at_ms
   */
  #merge({ base, slots, folded, value, discarded, before, received, node, storage }, at_ms) {
    const now = { base, slots, folded, value };
    const then = discarded.includes('counter') ? NOTHING : stateBefore(before);
    const last = this.merged;
    this.before = received ? then : now;
    this.merged = now;
    this.stored = { counter: JSON.stringify({ base, slots }), folded: JSON.stringify(folded) };
    this.storage = storage;
    if (discarded.length) {
      this.discarded = discarded;
      const text = `What was stored was no ${discarded.join(' and no ')}: discarded, and built anew.`;
      this.#add(at_ms, { text, mood: 'bad' });
    }
    if (received) this.#settle(at_ms, received, node, effect(then, now));
    else this.#changedElsewhere(at_ms, now, last);
  }

  /**
   * This message was merged. The worker has skipped the older messages of its node.
   *
   * @param {number} at_ms
   * @param {string} received
   * @param {string} node
   * @param {{gained: number, text: string}} result
   */
  #settle(at_ms, received, node, { gained, text }) {
    const mood = gained > 0 ? 'more' : 'same';
    if (node.endsWith(AGAIN)) {
      const sender = node.slice(0, -AGAIN.length);
      const replayed = {
        from: nodeName(sender),
        way: 'replayed',
        snapshot: received,
        node: sender,
      };
      this.#add(at_ms, { ...replayed, text, mood });
      return;
    }
    const found = this.entries.findIndex(
      (entry) => entry.mood === 'waits' && entry.snapshot === received,
    );
    // It was settled before: a new worker, or a storage that is newly in use, has merged it again.
    if (found < 0) return;
    Object.assign(this.entries[found], { text, mood });
    for (const entry of this.entries.slice(found + 1)) {
      if (entry.mood !== 'waits' || entry.node !== node) continue;
      entry.text = 'passed over: a newer one of this node came before its turn';
      entry.mood = 'same';
    }
  }

  /**
   * The stored state was read for the first time, or has changed without a message to this page.
   *
   * @param {number} at_ms
   * @param {State} now
   * @param {State | undefined} last
   */
  #changedElsewhere(at_ms, now, last) {
    const { replacing } = this;
    this.replacing = '';
    if (!last) {
      const found = now.value ? number(now.value) : 'nothing';
      this.#add(at_ms, { from: 'storage', text: `${found} found here` });
      return;
    }
    if (replacing) {
      this.#add(at_ms, { text: `${replacing}: what is stored comes to ${number(now.value)}` });
      return;
    }
    const { gained, text } = effect(last, now);
    if (text === 'nothing new') return;
    for (const [slot, count] of Object.entries(now.slots)) {
      if (count > (last.slots[slot] ?? 0)) this.#keepOrigin(slot, { count, node: '', at_ms }, 0);
    }
    this.#add(at_ms, { from: 'another tab', text, mood: gained > 0 ? 'more' : 'same' });
  }

  /**
   * Notes which node was the first to send this count of a slot.
   *
   * @param {string} slot
   * @param {Origin} origin
   * @param {number} least counts up to this one need no origin
   */
  #keepOrigin(slot, origin, least = -1) {
    if (origin.count > (this.origins.get(slot)?.count ?? least)) this.origins.set(slot, origin);
  }

  /**
   * @param {number} at_ms
   * @param {Partial<Entry> & {text: string}} what
   */
  #add(at_ms, what) {
    this.#entriesEver += 1;
    const text = what.text.slice(0, LONGEST);
    const empty = {
      from: '',
      way: '',
      mood: /** @type {const} */ ('note'),
      snapshot: '',
      node: '',
    };
    this.entries.unshift({ id: this.#entriesEver, at_ms, ...empty, ...what, text });
    this.entries.length = Math.min(this.entries.length, MOST_ENTRIES);
  }
}

/**
 * @param {Stored} before
 * @returns {State}
 */
const stateBefore = ({ counter, folded }) =>
  readState(counter || '{"base":0,"slots":{}}', folded) ?? NOTHING;
