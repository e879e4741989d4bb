// What the plot of the cluster's page remembers.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openHistory, WINDOW_S } from '../src/cluster-history.js';

/** @import { Node } from '../src/cluster-state.js' */

/** @type {(...names: string[]) => {nodes: Node[]}} */
const report = (...names) => ({
  nodes: names.map((node) => ({
    node,
    state: 'connected',
    lacks: 7,
    slots: 2,
    how: { text: 'lacks 7 rows', mood: 'well' },
  })),
});

test('each moment has every name as the report has it', () => {
  const seen = openHistory();
  const { nodes } = report('a', 'b');
  seen.add(1_000, { nodes });
  assert.deepEqual(seen.at(1_000)?.nodes.get('b'), nodes[1]);
});

test('what is older than the plot is forgotten, and its names with it', () => {
  const seen = openHistory();
  seen.add(0, report('z', 'a'));
  assert.deepEqual(seen.names(), ['a', 'z']);
  for (let s = 1; s < 2 * WINDOW_S; s += 1) seen.add(s * 1000, report('b', 'a'));
  assert.equal(seen.all().length, WINDOW_S);
  assert.deepEqual(seen.names(), ['a', 'b']);
});

test('looking back finds the moment before, and nothing where nothing was seen', () => {
  const seen = openHistory();
  for (const s of [10, 11, 60]) seen.add(s * 1000, report('a'));
  assert.equal(seen.at(11_900)?.at_ms, 11_000);
  assert.equal(seen.at(30_000), undefined);
  assert.equal(seen.at(5_000), undefined);
});
