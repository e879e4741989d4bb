// The debug panel, as far as it needs no browser: its sentences, its notes, and its files.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { effect } from '../src/panel/effect.js';
import { MAX_BYTES, exported, imported } from '../src/panel/exchange.js';
import { explain, lacking } from '../src/panel/explain.js';
import { MOST_ENTRIES, openFacts } from '../src/panel/facts.js';
import { allSlots, brief, readState, started } from '../src/panel/states.js';

const A = 'a@1763800000004123';
const B = 'b@1763800000005456';
const X = 'x@1763800000009999';

/** @type {(slots?: object, base?: number, folded?: object) => any} */
const state = (slots = {}, base = 0, folded = {}) => ({
  base,
  slots,
  folded,
  value: Object.values(slots).reduce((sum, n) => sum + n, base),
});

const MINUTE = 60_000;
const NOW = 1_763_900_000_000;

/** What is known when all is well: node c says what is merged here. */
const known = (changes = {}) => ({
  shown: 57,
  now_ms: NOW,
  online: true,
  waiting: false,
  storage: 'indexeddb',
  merge: { state: 'ready', why: '' },
  live: { state: 'heard', since_ms: NOW },
  received: { node: 'c', state: state({ [A]: 57 }), at_ms: NOW },
  merged: state({ [A]: 57 }),
  origins: new Map([[A, { count: 57, node: 'c', at_ms: NOW }]]),
  heardFrom: ['c'],
  discarded: [],
  ...changes,
});
const said = (changes) => explain(known(changes));

// -- the sentence ------------------------------------------------------------------------------

test('all is well', () => {
  const { kind, text, notes } = said();
  assert.equal(kind, 'same');
  assert.equal(
    text,
    '57: that is what this browser has merged, and node c, which answers here, says the same.',
  );
  assert.deepEqual(notes, []);
});

test('a stale node: what it lacks, and who told this browser', () => {
  const { kind, text } = said({
    received: { node: 'c', state: state({ [A]: 49 }), at_ms: NOW },
    origins: new Map([[A, { count: 57, node: 'a', at_ms: NOW - 3 * MINUTE }]]),
  });
  assert.equal(kind, 'stale');
  assert.equal(
    text,
    '57: that is what this browser has merged. Node c, which answers here, says 49: it has not heard of 8 views in slot a@…4123, which this browser got from node a 3 min ago.',
  );
});

test('a node that lacks many slots: the largest are named, the others counted', () => {
  const slots = Object.fromEntries([...'defgh'].map((node, at) => [`${node}@1`, at + 1]));
  const origins = new Map(
    Object.entries(slots).map(([slot, count]) => [slot, { count, node: '', at_ms: NOW }]),
  );
  const { text } = said({
    shown: 15,
    merged: state(slots),
    origins,
    received: { node: 'c', state: state(), at_ms: NOW },
  });
  assert.match(
    text,
    /of 5 views in slot h@1, which this browser got from another tab just now, and 4 views in slot g@1, /,
  );
  assert.match(text, /, and 3 in 2 more slots\.$/);
});

test('a stale node that has not heard of a fold either', () => {
  const merged = state({ [A]: 3 }, 8, { b: 1763800000005456 });
  const theirs = state({ [A]: 3, [B]: 5 });
  const { kind, text } = said({
    shown: 11,
    merged,
    received: { node: 'c', state: theirs, at_ms: NOW },
  });
  assert.equal(kind, 'stale');
  assert.match(
    text,
    /says 8: it has not heard of 3 views in slots that have been folded into the base since\./,
  );
});

test('a node that only keeps in slots what is folded here lacks nothing', () => {
  const merged = state({}, 8, { b: 1763800000005456 });
  const received = { node: 'c', state: state({ [B]: 8 }), at_ms: NOW };
  assert.equal(said({ shown: 8, merged, received }).kind, 'same');
});

test('a slot of which nobody has told since this page began', () => {
  const { kind, text } = said({
    shown: 65,
    merged: state({ [A]: 57, [X]: 8 }),
    heardFrom: ['a', 'c'],
  });
  assert.equal(kind, 'unknown');
  assert.match(
    text,
    /^65: that is what this browser has merged\. Node c, which answers here, says 57: no node that was heard from \(a and c\) knows 8 views in slot x@…9999\./,
  );
  assert.match(
    text,
    /Either they are behind or have lost them, or what is stored here is not true; .* Clear forgets them\.$/,
  );
});

test('a base that is higher than any node’s, with the same folds', () => {
  const { kind, text } = said({ shown: 1057, merged: state({ [A]: 57 }, 1000) });
  assert.equal(kind, 'unknown');
  assert.match(text, /knows 1,000 views in the base\./);
});

test('a base that a node told of before is no mystery', () => {
  const origins = new Map([['base', { count: 1000, node: 'a', at_ms: NOW }]]);
  assert.equal(lacking(state({}, 1000), state(), origins)[0].origin?.node, 'a');
});

test('before Python is there, and where it never comes', () => {
  assert.equal(
    said({ merge: { state: 'loading', why: '' }, merged: undefined }).text,
    '57: the highest that any one node has said, which is node c. Merging begins when Python has been loaded.',
  );
  const failed = said({
    shown: 60,
    merge: { state: 'failed', why: 'no WebAssembly' },
    merged: undefined,
  });
  assert.equal(failed.kind, 'failed');
  assert.match(
    failed.text,
    /^60: the highest number that this browser has shown or any one node has said \(node c says 57\)\. Merging doesn’t work in this browser \(no WebAssembly\)/,
  );
  assert.match(
    said({ merge: { state: 'loading', why: '' }, merged: undefined, received: undefined }).text,
    /no node has been heard yet/,
  );
});

test('nobody heard yet: what earlier visits have stored', () => {
  assert.equal(said({ received: undefined }).kind, 'stored');
});

test('a message that is being merged', () => {
  const received = { node: 'c', state: state({ [A]: 58 }), at_ms: NOW };
  assert.match(
    said({ shown: 58, received, waiting: true }).text,
    /^58: node c says 58, and that is just being merged\./,
  );
  // Merged it was, but then what is stored was cleared.
  assert.equal(said({ shown: 58, received }).kind, 'mark');
});

test('a number that was shown stays, whatever is stored now', () => {
  const { kind, text } = said({ merged: state(), received: undefined });
  assert.equal(kind, 'mark');
  assert.match(
    text,
    /a number that was shown never goes down\. What this browser has merged comes to 0\./,
  );
});

test('notes: storage off, paused, offline, not reached, garbage', () => {
  const notes = (changes) => said(changes).notes.join(' ');
  assert.match(
    notes({ storage: 'off' }),
    /^Storage is off: a reload begins with what its node says\.$/,
  );
  assert.match(notes({ live: { state: 'paused', since_ms: NOW } }), /^You have paused/);
  assert.match(
    notes({ online: false, live: { state: 'connecting', since_ms: NOW } }),
    /^This browser is offline/,
  );
  assert.equal(notes({ live: { state: 'connecting', since_ms: NOW } }), '');
  assert.match(
    notes({ live: { state: 'connecting', since_ms: NOW - 2 * MINUTE } }),
    /^No node has been reached for 2 min\.$/,
  );
  assert.match(
    notes({ discarded: ['folded', 'counter'] }),
    /\(folded and counter\) was garbage and was discarded/,
  );
});

// -- the effect of a merge ---------------------------------------------------------------------

test('the effect of a merge', () => {
  const text = (before, after) => effect(before, after).text;
  assert.equal(text(state({ [B]: 5 }), state({ [B]: 7 })), '+2: b 5→7');
  assert.equal(text(state({ [B]: 5 }), state({ [B]: 5 })), 'nothing new');
  assert.equal(text(state(), state({ [B]: 5 })), '+5: new slot b@…5456 5');
  assert.equal(text(state({ 'b@1': 5, 'b@2': 1 }), state({ 'b@1': 5, 'b@2': 2 })), '+1: b@2 1→2');
  assert.equal(
    text(state({ [B]: 8 }, 40), state({}, 48, { b: 1763800000005456 })),
    'lifted b@…5456 (8) into the base',
  );
  assert.equal(
    text(state({ [B]: 8 }, 40), state({}, 50, { b: 1763800000005456 })),
    '+2: lifted b@…5456 (8) into the base, base 48→50',
  );
  assert.equal(text(state(), state({}, 0, { b: 7 })), 'heard that b@7 and older are folded');
  const many = Object.fromEntries([...'abcdef'].map((node) => [`${node}@1`, 1]));
  assert.match(text(state(), state(many)), /^\+6: new slot a@1 1, .* and 2 more changes$/);
});

// -- the notes that it takes -------------------------------------------------------------------

let facts;
let origins;
beforeEach(() => {
  origins = new Map();
  facts = openFacts({ storage: '', origins });
});
const hears = (node, of, at_ms = NOW) =>
  facts.hear({
    kind: 'heard',
    at_ms,
    node,
    way: 'websocket',
    text: JSON.stringify({ video: 'tide', ...of }),
  });
const merges = (before, after, { node = '', received = '', discarded = [] } = {}) =>
  facts.hear({
    kind: 'merged',
    at_ms: NOW,
    ...after,
    discarded,
    node,
    received,
    storage: 'indexeddb',
    before: before
      ? { counter: JSON.stringify(before), folded: JSON.stringify(before.folded) }
      : { counter: '', folded: '' },
  });

test('a message and its merge are one line', () => {
  hears('c', state({ [A]: 2 }));
  assert.ok(facts.waits());
  merges(undefined, state({ [A]: 2 }), { node: 'c', received: facts.received.text });
  assert.equal(facts.entries.length, 1);
  assert.equal(facts.entries[0].text, '+2: new slot a@…4123 2');
  assert.ok(!facts.waits());
});

test('of messages that wait only the newest of a node is merged, and the others say so', () => {
  hears('c', state({ [A]: 1 }));
  hears('b', state({ [A]: 1 }));
  hears('c', state({ [A]: 2 }));
  merges(undefined, state({ [A]: 2 }), { node: 'c', received: facts.received.text });
  assert.deepEqual(
    facts.entries.map(({ mood }) => mood),
    ['more', 'waits', 'same'],
  );
});

test('a replayed snapshot is a line of its own', () => {
  hears('c', state({ [A]: 2 }));
  const { text } = facts.received;
  merges(undefined, state({ [A]: 2 }), { node: 'c', received: text });
  merges(state({ [A]: 2 }), state({ [A]: 2 }), {
    node: facts.again(facts.entries[0]),
    received: text,
  });
  assert.equal(facts.entries[0].way, 'replayed');
  assert.equal(facts.entries[0].text, 'nothing new');
});

test('who told of a slot first with its number is remembered, and what came by another tab', () => {
  hears('a', state({ [A]: 2 }), 1);
  hears('c', state({ [A]: 2 }), 2);
  assert.deepEqual(origins.get(A), { count: 2, node: 'a', at_ms: 1 });
  merges(state({ [A]: 2 }), state({ [A]: 2 }));
  merges(state({ [A]: 2 }), state({ [A]: 2, [B]: 1 }));
  assert.deepEqual(origins.get(B), { count: 1, node: '', at_ms: NOW });
});

test('what is found stored at first, and what is imported, nobody has told of', () => {
  merges(state({ [A]: 2 }), state({ [A]: 2 }));
  facts.replacing = 'Imported';
  merges(state({ [X]: 9 }), state({ [X]: 9 }));
  assert.equal(origins.size, 0);
  assert.equal(facts.entries[0].text, 'Imported: what is stored comes to 9');
});

test('the timeline is bounded', () => {
  for (let n = 0; n < 3 * MOST_ENTRIES; n += 1)
    facts.hear({ kind: 'log', at_ms: n, line: 'x'.repeat(10_000) });
  assert.equal(facts.entries.length, MOST_ENTRIES);
  assert.equal(facts.entries[0].at_ms, 3 * MOST_ENTRIES - 1);
  assert.ok(facts.entries[0].text.length < 1000);
});

test('garbage among messages and in the storage is said, not believed', () => {
  facts.hear({ kind: 'heard', at_ms: NOW, node: 'c', way: 'polling', text: '{"base": "1"}' });
  assert.equal(facts.received, undefined);
  facts.hear({
    kind: 'merged',
    at_ms: NOW,
    ...state(),
    discarded: ['counter'],
    node: '',
    received: '',
    storage: 'indexeddb',
    before: { counter: '{{{', folded: '' },
  });
  assert.deepEqual(facts.discarded, ['counter']);
});

// -- names -------------------------------------------------------------------------------------

test('slots are sorted by node and start, and have a short name and a time', () => {
  assert.deepEqual(allSlots(state({ 'b@2': 1, 'a@10': 1 }), undefined, state({ 'a@9': 1 })), [
    'a@9',
    'a@10',
    'b@2',
  ]);
  assert.equal(brief(A), 'a@…4123');
  assert.equal(started(1763800000004123)?.getTime(), 1763800000004);
  assert.equal(started(7), undefined);
});

test('a state is read only if it is one', () => {
  assert.equal(readState('{"base": 1, "slots": {"a@1": 2}}', '{"a": 0}')?.value, 3);
  assert.equal(
    readState('{"base": 9007199254740991, "slots": {"a@1": 2}}', '')?.value,
    2 ** 53 - 1,
  );
  for (const text of ['', 'null', '{"base": -1, "slots": {}}'])
    assert.equal(readState(text, ''), undefined);
});

// -- the file ----------------------------------------------------------------------------------

const stored = { counter: '{"base":1,"slots":{"a@1":2}}', folded: '{"b":0}' };

test('what is exported can be imported', () => {
  const file = exported('tide', stored, new Date(0));
  assert.equal(JSON.parse(file).version, 1);
  assert.deepEqual(imported(file, 'tide'), stored);
});

test('a file that is none, or another one, is refused with the reason', () => {
  const file = JSON.parse(exported('tide', stored, new Date(0)));
  const refusals = [
    ['  ', /nothing to import/],
    ['{', /no JSON/],
    ['7', /format/],
    ['null', /format/],
    [{ ...file, format: 'zip' }, /format/],
    [{ ...file, version: 2 }, /version 2, and this page knows 1 only/],
    [{ ...file, video: 'reef' }, /video "reef", not of “tide”/],
    [{ ...file, counter: [] }, /counter or its folded is missing/],
    [{ ...file, folded: undefined }, /counter or its folded is missing/],
    ['x'.repeat(MAX_BYTES + 1), /1 MiB/],
  ];
  for (const [text, why] of refusals) {
    assert.throws(
      () => imported(typeof text === 'string' ? text : JSON.stringify(text), 'tide'),
      why,
    );
  }
});
