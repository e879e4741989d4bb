// What the panel notes of the events on the page.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Facts, MOST_ENTRIES } from '../src/panel/facts.js';
import { A, B, NOW, state, X } from './panel-states.js';

/**
 * @import { Origin } from '../src/panel/lacking.js'
 * @import { State } from '../src/panel/states.js'
 */

/** @type {Map<string, Origin>} */
let origins;
/** @type {Facts} */
let facts;

beforeEach(() => {
  origins = new Map();
  facts = new Facts({ storage: '', origins });
});

/** @type {(node: string, text: string, at_ms?: number) => void} */
const receiveText = (node, text, at_ms = NOW) =>
  facts.take({ kind: 'received', at_ms, node, transport: 'websocket', text });

/** @type {(node: string, its: State, at_ms?: number) => void} */
const receive = (node, its, at_ms) =>
  receiveText(node, JSON.stringify({ video: 'tide', ...its }), at_ms);

/** @typedef {{node?: string, received?: string, discarded?: string[]}} How */
/** @type {(before: State | string, after: State, how?: How) => void} */
const merge = (before, after, { node = '', received = '', discarded = [] } = {}) =>
  facts.take({
    kind: 'merged',
    at_ms: NOW,
    merged: {
      ...after,
      video: 'tide',
      discarded,
      node,
      received,
      storage: 'indexeddb',
      before:
        typeof before === 'string'
          ? { counter: before, folded: '' }
          : { counter: JSON.stringify(before), folded: JSON.stringify(before.folded) },
    },
  });

/** The last message's text. */
const lastReceived = () => facts.received?.text ?? '';

test('a message and its merge are one line', () => {
  receive('c', state({ [A]: 2 }));
  assert.ok(facts.waits());
  merge('', state({ [A]: 2 }), { node: 'c', received: lastReceived() });
  assert.equal(facts.entries.length, 1);
  assert.equal(facts.entries[0].text, '+2: new slot a@…4123 2');
  assert.ok(!facts.waits());
});

test('only the newest waiting message of a node is merged, and the older ones say so', () => {
  receive('c', state({ [A]: 1 }));
  receive('b', state({ [A]: 1 }));
  receive('c', state({ [A]: 2 }));
  merge('', state({ [A]: 2 }), { node: 'c', received: lastReceived() });
  const moods = facts.entries.map(({ mood }) => mood);
  assert.deepEqual(moods, ['more', 'waits', 'same']);
});

test('a replayed snapshot is a line of its own', () => {
  receive('c', state({ [A]: 2 }));
  const received = lastReceived();
  merge('', state({ [A]: 2 }), { node: 'c', received });
  const again = facts.again(facts.entries[0]);
  merge(state({ [A]: 2 }), state({ [A]: 2 }), { node: again, received });
  assert.equal(facts.entries[0].way, 'replayed');
  assert.equal(facts.entries[0].text, 'nothing new');
});

test('the first sender of a slot’s number is remembered, and what came from another tab', () => {
  receive('a', state({ [A]: 2 }), 1);
  receive('c', state({ [A]: 2 }), 2);
  assert.deepEqual(origins.get(A), { count: 2, node: 'a', at_ms: 1 });
  merge(state({ [A]: 2 }), state({ [A]: 2 }));
  merge(state({ [A]: 2 }), state({ [A]: 2, [B]: 1 }));
  assert.deepEqual(origins.get(B), { count: 1, node: '', at_ms: NOW });
});

test('what was stored before, and what is imported, has no origin', () => {
  merge(state({ [A]: 2 }), state({ [A]: 2 }));
  facts.replacing = 'Imported';
  merge(state({ [X]: 9 }), state({ [X]: 9 }));
  assert.equal(origins.size, 0);
  assert.equal(facts.entries[0].text, 'Imported: what is stored comes to 9');
});

test('the timeline is bounded', () => {
  for (let n = 0; n < 3 * MOST_ENTRIES; n += 1) {
    facts.take({ kind: 'log', at_ms: n, line: 'x'.repeat(10_000) });
  }
  assert.equal(facts.entries.length, MOST_ENTRIES);
  assert.equal(facts.entries[0].at_ms, 3 * MOST_ENTRIES - 1);
  assert.ok(facts.entries[0].text.length < 1000);
});

test('garbage in a message or in the storage is noted and not used', () => {
  receiveText('c', '{"base": "1"}');
  assert.equal(facts.received, undefined);
  merge('{{{', state(), { discarded: ['counter'] });
  assert.deepEqual(facts.discarded, ['counter']);
});
