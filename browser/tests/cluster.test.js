// The operators' page, as far as it needs no browser: its words, and what its plot remembers.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WINDOW_S, history, points } from '../src/cluster-history.js';
import { joined } from '../src/cluster-plot.js';
import { counted, duration, listed, split } from '../src/words.js';

const here = { node: 'a', state: 'here', behind: null, ahead: null };
const state = (...members) => ({
  members: [here, ...members],
  slots: [{ slot: 'a@2' }, { slot: 'a@1' }, { slot: 'z@1' }],
});

test('a duration has the two largest units', () => {
  const said = [-5, 0.9, 59, 61, 120, 7380, 86_459, 90_000].map(duration);
  assert.deepEqual(said, [
    '0 s',
    '0 s',
    '59 s',
    '1 min 1 s',
    '2 min',
    '2 h 3 min',
    '1 d',
    '1 d 1 h',
  ]);
});

test('numbers and lists read like prose', () => {
  assert.deepEqual(
    [0, 1, 2000].map((n) => counted(n, 'row')),
    ['0 rows', '1 row', '2,000 rows'],
  );
  const lists = ['', 'a', 'ab', 'abc', 'abcdefg'].map((names) => listed([...names]));
  assert.deepEqual(lists, ['nobody', 'a', 'a and b', 'a, b and c', 'a, b, c, d, e and 2 more']);
});

test('the command that an advice ends with is set apart', () => {
  const command = 'ratchet retire c --via http://127.0.0.1:1234';
  assert.deepEqual(split(`It is gone. If so: ${command}`), { said: 'It is gone. If so:', command });
  assert.deepEqual(split('Look at the network.'), { said: 'Look at the network.', command: '' });
});

test('a node’s lag is what it lacks, and this node’s own what others have beyond it', () => {
  const nodes = points(
    state(
      { node: 'b', state: 'connected', behind: 7, ahead: 3 },
      { node: 'c', state: 'connected', behind: 0, ahead: 5 },
    ),
  );
  assert.deepEqual(
    [...nodes.entries()].map(([name, { lag }]) => [name, lag]),
    [
      ['a', 5],
      ['b', 7],
      ['c', 0],
      ['z', null],
    ],
  );
});

test('slots are counted by name, also of names that have no process any more', () => {
  const nodes = points(state({ node: 'b', state: 'missing', behind: null, ahead: null }));
  assert.deepEqual(nodes.get('a'), { lag: 0, slots: 2, state: 'here' });
  assert.deepEqual(nodes.get('b'), { lag: null, slots: 0, state: 'missing' });
  assert.deepEqual(nodes.get('z'), { lag: null, slots: 1, state: 'gone' });
});

test('of two processes under one name the plot shows the one that lags more', () => {
  const nodes = points(
    state(
      { node: 'b', state: 'connected', behind: 9, ahead: 0 },
      { node: 'b', state: 'connected', behind: 2, ahead: 0 },
    ),
  );
  assert.equal(nodes.get('b')?.lag, 9);
});

test('what is older than the plot is forgotten', () => {
  const seen = history();
  for (let s = 0; s < 2 * WINDOW_S; s += 1) seen.add(s * 1000, state());
  assert.equal(seen.all().length, WINDOW_S);
  assert.deepEqual(seen.names(), ['a', 'z']);
});

test('looking back finds the moment before, and nothing where nothing was seen', () => {
  const seen = history();
  for (const s of [10, 11, 60]) seen.add(s * 1000, state());
  assert.equal(seen.at(11_900)?.at_ms, 11_000);
  assert.equal(seen.at(30_000), undefined);
  assert.equal(seen.at(5_000), undefined);
});

test('moments that are far apart are not joined by a line', () => {
  const samples = [1, 2, 3, 10, 11, 12].map((s) => ({
    at_ms: s * 1000,
    point: { lag: s === 11 ? null : 1, slots: 1, state: 'here' },
  }));
  const runs = joined(samples, ({ point }) => point.lag !== null);
  assert.deepEqual(
    runs.map((run) => run.map(({ at_ms }) => at_ms / 1000)),
    [[1, 2, 3], [10], [12]],
  );
});
