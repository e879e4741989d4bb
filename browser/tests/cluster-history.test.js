// What the plot of the cluster's page remembers.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openHistory, points, WINDOW_S } from '../src/cluster-history.js';

/** @import { PlottedMember } from '../src/cluster-history.js' */

/** @type {PlottedMember} */
const here = { node: 'a', state: 'here', behind: null, ahead: null };
/** @type {(node: string, behind: number, ahead: number) => PlottedMember} */
const connected = (node, behind, ahead) => ({ node, state: 'connected', behind, ahead });
const state = (/** @type {PlottedMember[]} */ ...members) => ({
  members: [here, ...members],
  slots: [{ slot: 'a@2' }, { slot: 'a@1' }, { slot: 'z@1' }],
});

test('a node’s lag is what it lacks, and this node’s own is what the others have beyond it', () => {
  const nodes = points(state(connected('b', 7, 3), connected('c', 0, 5)));
  const lags = [...nodes].map(([name, { lag }]) => [name, lag]);
  const expected = [
    ['a', 5],
    ['b', 7],
    ['c', 0],
    ['z', null],
  ];
  assert.deepEqual(lags, expected);
});

test('slots are counted by name, also of names that have no process any more', () => {
  const nodes = points(state({ node: 'b', state: 'missing', behind: null, ahead: null }));
  assert.deepEqual(nodes.get('a'), { lag: 0, slots: 2, state: 'here' });
  assert.deepEqual(nodes.get('b'), { lag: null, slots: 0, state: 'missing' });
  assert.deepEqual(nodes.get('z'), { lag: null, slots: 1, state: 'gone' });
});

test('of two processes under one name the plot shows the one that lags more', () => {
  const nodes = points(state(connected('b', 9, 0), connected('b', 2, 0)));
  assert.equal(nodes.get('b')?.lag, 9);
});

test('what is older than the plot is forgotten', () => {
  const seen = openHistory();
  for (let s = 0; s < 2 * WINDOW_S; s += 1) seen.add(s * 1000, state());
  assert.equal(seen.all().length, WINDOW_S);
  assert.deepEqual(seen.names(), ['a', 'z']);
});

test('looking back finds the moment before, and nothing where nothing was seen', () => {
  const seen = openHistory();
  for (const s of [10, 11, 60]) seen.add(s * 1000, state());
  assert.equal(seen.at(11_900)?.at_ms, 11_000);
  assert.equal(seen.at(30_000), undefined);
  assert.equal(seen.at(5_000), undefined);
});
