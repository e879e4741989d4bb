// How the plot on the cluster's page joins the reports to lines.
import assert from 'node:assert/strict';
import { test } from 'node:test';

/** @import { Node } from '../src/cluster-state.js' */

import { runs } from '../src/cluster-plot.js';

/** @type {(lacks: number | null) => Node} */
const nodeWith = (lacks) => ({
  node: 'a',
  state: 'here',
  lacks,
  slots: 1,
  how: { text: 'as it is', mood: 'well' },
});

test('moments that are far apart are not joined by a line', () => {
  const samples = [1, 2, 3, 10, 11, 12].map((s) => ({
    at_ms: s * 1000,
    point: nodeWith(s === 11 ? null : 1),
  }));
  const found = runs(samples, ({ point }) => point.lacks !== null);
  const seconds = found.map((run) => run.map(({ at_ms }) => at_ms / 1000));
  assert.deepEqual(seconds, [[1, 2, 3], [10], [12]]);
});
