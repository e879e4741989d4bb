// How the plot of the cluster's page joins its moments.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runs } from '../src/cluster-plot.js';

test('moments that are far apart are not joined by a line', () => {
  const samples = [1, 2, 3, 10, 11, 12].map((s) => ({
    at_ms: s * 1000,
    point: { lag: s === 11 ? null : 1, slots: 1, state: /** @type {const} */ ('here') },
  }));
  const found = runs(samples, ({ point }) => point.lag !== null);
  const seconds = found.map((run) => run.map(({ at_ms }) => at_ms / 1000));
  assert.deepEqual(seconds, [[1, 2, 3], [10], [12]]);
});
