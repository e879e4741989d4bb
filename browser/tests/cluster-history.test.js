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

test('each moment has the state of every name in the report', () => {
  const seen = openHistory();
  const { nodes } = report('a', 'b');
  seen.add(1_000, { nodes });
  assert.deepEqual(seen.at(1_000)?.nodes.get('b'), nodes[1]);
});

test('reports that are older than the plot are forgotten, with their names', () => {
  const seen = openHistory();
  seen.add(0, report('z', 'a'));
  assert.deepEqual(seen.names(), ['a', 'z']);
  for (let s = 1; s < 2 * WINDOW_S; s += 1) seen.add(s * 1000, report('b', 'a'));
  assert.equal(seen.all().length, WINDOW_S);
  assert.deepEqual(seen.names(), ['a', 'b']);
});

test('looking back finds the last report before that moment, if there is one near it', () => {
  const seen = openHistory();
  for (const s of [10, 11, 60]) seen.add(s * 1000, report('a'));
  assert.equal(seen.at(11_900)?.at_ms, 11_000);
  assert.equal(seen.at(30_000), undefined);
  assert.equal(seen.at(5_000), undefined);
});
