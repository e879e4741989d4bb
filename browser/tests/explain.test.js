// The panel's sentence: why the page shows this number.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { explain } from '../src/panel/explain.js';
import { lacking } from '../src/panel/lacking.js';
import { A, B, MINUTE, NOW, state, X } from './panel-states.js';

/**
 * @import { Known } from '../src/panel/explain.js'
 * @import { State } from '../src/panel/states.js'
 */

/**
 * What is known when all is well: node c has sent exactly what is merged here.
 *
 * @param {Partial<Known>} changes
 * @returns {Known}
 */
const known = (changes) => ({
  shown: 57,
  now_ms: NOW,
  online: true,
  waiting: false,
  storage: 'indexeddb',
  merge: { state: 'ready', why: '' },
  live: { state: 'received', since_ms: NOW },
  received: from('c', state({ [A]: 57 })),
  merged: state({ [A]: 57 }),
  origins: new Map([[A, { count: 57, node: 'c', at_ms: NOW }]]),
  senders: ['c'],
  discarded: [],
  ...changes,
});

/** @param {Partial<Known>} changes */
const explained = (changes = {}) => explain(known(changes));

/**
 * @param {string} node
 * @param {State} its
 */
const from = (node, its) => ({ node, state: its, at_ms: NOW });

test('all is well', () => {
  const { kind, text, notes } = explained();
  assert.equal(kind, 'same');
  const expected =
    '57 is what this browser has merged, and node c, which answers here, says the same.';
  assert.equal(text, expected);
  assert.deepEqual(notes, []);
});

test('a stale node: what it lacks, and who sent it to this browser', () => {
  const { kind, text } = explained({
    received: from('c', state({ [A]: 49 })),
    origins: new Map([[A, { count: 57, node: 'a', at_ms: NOW - 3 * MINUTE }]]),
  });
  assert.equal(kind, 'stale');
  const expected =
    '57 is what this browser has merged. Node c, which answers here, says 49: ' +
    'it has not received 8 views in slot a@…4123, which this browser got from node a 3 min ago.';
  assert.equal(text, expected);
});

test('a node that lacks many slots: the largest are named, the others counted', () => {
  const slots = Object.fromEntries([...'defgh'].map((node, at) => [`${node}@1`, at + 1]));
  const origins = new Map(
    Object.entries(slots).map(([slot, count]) => [slot, { count, node: '', at_ms: NOW }]),
  );
  const received = from('c', state());
  const { text } = explained({ shown: 15, merged: state(slots), origins, received });
  const first =
    /received 5 views in slot h@1, which this browser got from another tab just now, and 4 /;
  assert.match(text, first);
  assert.match(text, /, and 3 in 2 more slots\.$/);
});

test('a stale node that does not know a fold, either', () => {
  const merged = state({ [A]: 3 }, 8, { b: 1763800000005456 });
  const received = from('c', state({ [A]: 3, [B]: 5 }));
  const { kind, text } = explained({ shown: 11, merged, received });
  assert.equal(kind, 'stale');
  assert.match(text, /says 8: it has not received 3 views in slots that are folded by now\./);
});

test('a node that still has in slots what is folded here lacks nothing', () => {
  const merged = state({}, 8, { b: 1763800000005456 });
  const received = from('c', state({ [B]: 8 }));
  assert.equal(explained({ shown: 8, merged, received }).kind, 'same');
});

test('a slot that no node has sent since this page began', () => {
  const merged = state({ [A]: 57, [X]: 8 });
  const { kind, text } = explained({ shown: 65, merged, senders: ['a', 'c'] });
  assert.equal(kind, 'unknown');
  const expected =
    '65 is what this browser has merged. Node c, which answers here, says 57. ' +
    'No node that has sent a message (a and c) knows 8 views in slot x@…9999. ' +
    'Either these nodes are behind or have lost them, or what is stored here is not true. ' +
    'A browser can’t tell which, so it keeps them. Clear forgets them.';
  assert.equal(text, expected);
});

test('a base that is higher than any node’s, with the same folds', () => {
  const { kind, text } = explained({ shown: 1057, merged: state({ [A]: 57 }, 1000) });
  assert.equal(kind, 'unknown');
  assert.match(text, /knows 1,000 views in the base\./);
});

test('a base that a node has sent before is explained', () => {
  const origins = new Map([['base', { count: 1000, node: 'a', at_ms: NOW }]]);
  assert.equal(lacking(state({}, 1000), state(), origins)[0].origin?.node, 'a');
});

test('while Python is loading', () => {
  /** @type {Partial<Known>} */
  const loading = { merge: { state: 'loading', why: '' }, merged: undefined };
  const expected =
    '57 is the highest number that any node has sent, and node c sent it. ' +
    'Merging begins when Python is loaded.';
  assert.equal(explained(loading).text, expected);
  assert.match(
    explained({ ...loading, received: undefined }).text,
    /No node has sent a message yet/,
  );
});

test('when Python never loads', () => {
  const { kind, text } = explained({
    shown: 60,
    merge: { state: 'failed', why: 'no WebAssembly' },
    merged: undefined,
  });
  assert.equal(kind, 'failed');
  const expected =
    '60 is the highest number that this browser has shown or any node has sent (node c says 57). ' +
    'Merging doesn’t work in this browser (no WebAssembly), so views that only other nodes know are missing.';
  assert.equal(text, expected);
});

test('no message yet: what earlier visits have stored', () => {
  assert.equal(explained({ received: undefined }).kind, 'stored');
});

test('a message that is being merged', () => {
  const received = from('c', state({ [A]: 58 }));
  const { text } = explained({ shown: 58, received, waiting: true });
  assert.equal(text, '58: node c says 58, and that is being merged just now.');
  // It was merged, but then the storage was cleared.
  assert.equal(explained({ shown: 58, received }).kind, 'mark');
});

test('a number that was shown stays, whatever is stored now', () => {
  const { kind, text } = explained({ merged: state(), received: undefined });
  assert.equal(kind, 'mark');
  const expected =
    /a number that was shown never goes down\. What this browser has merged comes to 0\./;
  assert.match(text, expected);
});

test('notes: storage off, paused, offline, not reached, garbage', () => {
  const notes = (/** @type {Partial<Known>} */ changes) => explained(changes).notes.join(' ');
  assert.equal(
    notes({ storage: 'off' }),
    'Storage is off: a reload begins with what its node says.',
  );
  assert.match(notes({ live: { state: 'paused', since_ms: NOW } }), /^You have paused/);
  const connecting = /** @type {const} */ ('connecting');
  const offline = { online: false, live: { state: connecting, since_ms: NOW } };
  assert.match(notes(offline), /^This browser is offline/);
  assert.equal(notes({ live: { state: connecting, since_ms: NOW } }), '');
  const unreached = { live: { state: connecting, since_ms: NOW - 2 * MINUTE } };
  assert.equal(notes(unreached), 'No node has been reached for 2 min.');
  const garbage = /\(folded and counter\) was garbage and was discarded/;
  assert.match(notes({ discarded: ['folded', 'counter'] }), garbage);
});
