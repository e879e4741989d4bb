// What is known here, gathered from the page's story: one event after the other, no drawing, no asking.

import { number } from '../words.js';
import { effect } from './effect.js';
import { BASE, who } from './explain.js';
import { NOTHING, readState } from './states.js';

/**
 * @typedef {import('./states.js').State} State
 * @typedef {import('./explain.js').Origin} Origin
 *
 * @typedef {object} Entry one line of the timeline
 * @property {number} id
 * @property {number} at_ms
 * @property {string} from who, or what
 * @property {string} way
 * @property {string} text what came of it
 * @property {'more' | 'same' | 'waits' | 'note' | 'bad'} mood
 * @property {string} snapshot its text; empty if it is none
 * @property {string} node that said it
 */

/** Lines, and with them snapshots, that are remembered. */
export const MOST_ENTRIES = 100;
// A line is read at a glance; what is longer is some error's whole story.
const LONGEST = 400;
// A replayed snapshot goes to the worker under a name that no node can have: under its node's own
// it would take the place of a newer one that waits.
const AGAIN = ' again';

/**
 * @param {{storage: string, origins: Map<string, Origin>}} begin `storage` as switched
 */
export function openFacts({ storage, origins }) {
  const facts = {
    storage,
    /** @type {{state: 'loading' | 'ready' | 'failed', why: string, way: string, after_ms: number}} */
    merge: { state: 'loading', why: '', way: '', after_ms: 0 },
    /** @type {{state: 'heard' | 'connecting' | 'paused' | 'unseen', way: string, since_ms: number}} */
    live: { state: 'connecting', way: '', since_ms: Date.now() },
    /** @type {{node: string, state: State, at_ms: number, text: string} | undefined} */
    received: undefined,
    /** What the last merge began with. @type {State | undefined} */
    before: undefined,
    /** @type {State | undefined} */
    merged: undefined,
    /** As text, for export and for later. @type {{counter: string, folded: string}} */
    stored: { counter: '', folded: '' },
    origins,
    /** @type {Set<string>} */
    heardFrom: new Set(),
    /** @type {string[]} */
    discarded: [],
    /** The newest first. @type {Entry[]} */
    entries: [],
    /** The next merge without a message is our own doing, not another tab's news. */
    replacing: '',
    /** By the viewer. */
    paused: false,
    hear,
    note,
    again: (/** @type {Entry} */ entry) => entry.node + AGAIN,
    /** Whether a message still waits for its merge. */
    waits: () => facts.entries.some(({ mood }) => mood === 'waits'),
  };
  let entries = 0;

  /**
   * @param {number} at_ms
   * @param {Partial<Entry>} what
   */
  function add(at_ms, what) {
    const entry = {
      id: (entries += 1),
      at_ms,
      from: '',
      way: '',
      mood: /** @type {const} */ ('note'),
      snapshot: '',
      node: '',
      ...what,
    };
    entry.text = (entry.text ?? '').slice(0, LONGEST);
    facts.entries.unshift(/** @type {Entry} */ (entry));
    facts.entries.length = Math.min(facts.entries.length, MOST_ENTRIES);
  }

  /** @param {string} text @param {Entry['mood']} [mood] */
  function note(text, mood = 'note') {
    add(Date.now(), { text, mood });
  }

  /** @type {{[kind: string]: (event: any) => void}} */
  const on = {
    heard({ at_ms, text, node, way }) {
      facts.live = { state: 'heard', way, since_ms: at_ms };
      const state = readState(text);
      if (!state)
        return add(at_ms, { from: who(node), way, text: `no snapshot: ${text}`, mood: 'bad' });
      facts.received = { node, state, at_ms, text };
      facts.heardFrom.add(node || '?');
      const remember = (/** @type {string} */ what, /** @type {number} */ count) => {
        if (count > (origins.get(what)?.count ?? -1)) origins.set(what, { count, node, at_ms });
      };
      for (const [slot, count] of Object.entries(state.slots)) remember(slot, count);
      remember(BASE, state.base);
      add(at_ms, {
        from: who(node),
        way,
        text: 'waits to be merged',
        mood: 'waits',
        snapshot: text,
        node,
      });
    },
    lost({ at_ms, state, way }) {
      const since_ms = facts.live.state === state ? facts.live.since_ms : at_ms;
      if (facts.live.state === 'heard') add(at_ms, { text: LOST[state] ?? state, way });
      facts.live = { state, way: '', since_ms };
    },
    merged(event) {
      const { at_ms, base, slots, folded, value, discarded, before, received, node, storage } =
        event;
      const now = { base, slots, folded, value };
      const last = facts.merged;
      const then = discarded.includes('counter')
        ? NOTHING
        : (readState(before.counter || '{"base":0,"slots":{}}', before.folded) ?? NOTHING);
      facts.before = received ? then : now;
      facts.merged = now;
      facts.stored = { counter: JSON.stringify({ base, slots }), folded: JSON.stringify(folded) };
      facts.storage = storage;
      if (discarded.length) {
        facts.discarded = discarded;
        add(at_ms, {
          text: `What was stored was no ${discarded.join(' and no ')}: discarded, and built anew.`,
          mood: 'bad',
        });
      }
      if (received) settle(at_ms, received, node, effect(then, now));
      else elsewhere(at_ms, now, last);
    },
    merge({ at_ms, state, why, way, after_ms }) {
      facts.merge = { state, why, way, after_ms };
      add(
        at_ms,
        state === 'ready'
          ? { text: 'Python is here: merging begins.' }
          : { text: `Merging doesn’t work: ${why}`, mood: 'bad' },
      );
    },
    storage({ at_ms, storage: now, why }) {
      facts.storage = now;
      add(at_ms, { text: `Stored in ${now} from now on. ${why}`, mood: 'bad' });
    },
    shown() {},
    log: ({ at_ms, line }) => add(at_ms, { text: line }),
  };

  /** @param {import('../story.js').Event} event */
  function hear(event) {
    on[event.kind](event);
  }

  /**
   * The message that was merged, and the older ones of its node that were passed over for it.
   *
   * @param {number} at_ms
   * @param {string} received
   * @param {string} node
   * @param {{gained: number, text: string}} result
   */
  function settle(at_ms, received, node, { gained, text }) {
    const mood = gained > 0 ? 'more' : 'same';
    if (node.endsWith(AGAIN)) {
      const from = who(node.slice(0, -AGAIN.length));
      return add(at_ms, {
        from,
        way: 'replayed',
        text,
        mood,
        snapshot: received,
        node: node.slice(0, -AGAIN.length),
      });
    }
    const found = facts.entries.findIndex(
      (entry) => entry.mood === 'waits' && entry.snapshot === received,
    );
    // Already settled: a worker that had to begin anew, or a storage that came into use.
    if (found < 0) return;
    Object.assign(facts.entries[found], { text, mood });
    for (const entry of facts.entries.slice(found + 1)) {
      const passed = entry.mood === 'waits' && entry.node === node;
      if (passed)
        Object.assign(entry, {
          text: 'passed over: a newer one of this node came before its turn',
          mood: 'same',
        });
    }
  }

  /**
   * What is stored was read, or has changed without a message to this page.
   *
   * @param {number} at_ms
   * @param {State} now
   * @param {State | undefined} last
   */
  function elsewhere(at_ms, now, last) {
    const { replacing } = facts;
    facts.replacing = '';
    if (!last)
      return add(at_ms, {
        from: 'storage',
        text: `${now.value ? number(now.value) : 'nothing'} found here`,
      });
    if (replacing)
      return add(at_ms, { text: `${replacing}: what is stored comes to ${number(now.value)}` });
    const { gained, text } = effect(last, now);
    if (text === 'nothing new') return;
    for (const [slot, count] of Object.entries(now.slots)) {
      if (count > (last.slots[slot] ?? 0) && count > (origins.get(slot)?.count ?? 0))
        origins.set(slot, { count, node: '', at_ms });
    }
    add(at_ms, { from: 'another tab', text, mood: gained > 0 ? 'more' : 'same' });
  }

  return facts;
}

/** @type {{[state: string]: string}} */
const LOST = {
  connecting: 'the connection has ended; connecting again',
  paused: 'paused',
  unseen: 'nobody sees this page: the connection is closed until somebody does',
};

/** @typedef {ReturnType<typeof openFacts>} Facts */
