// The queue of snapshots to merge in the worker.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MergeQueue } from '../src/merge-queue.js';

const [ONE, OTHER] = [{ id: 1 }, { id: 2 }];

/** @type {(node: string, received: string, video?: string) => import('../src/merge-queue.js').Job} */
const job = (node, received, video = 'tide') => ({ video, node, received });

/** A queue that notes what it merges; each merge takes a turn. */
function noted() {
  /** @type {string[]} */
  const merged = [];
  /** @type {MergeQueue<{id: number}>} */
  const queue = new MergeQueue(async ({ id }, { video, node, received }) => {
    await new Promise(setImmediate);
    merged.push(`${id} ${video} ${node} ${received}`);
  });
  const settled = async (/** @type {number} */ merges) => {
    while (merged.length < merges) await new Promise(setImmediate);
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    return merged;
  };
  return { queue, settled };
}

test('nothing is merged before the core is loaded', async () => {
  const { queue, settled } = noted();
  queue.add(ONE, job('a', '1'));
  assert.deepEqual(await settled(0), []);
  queue.start();
  assert.deepEqual(await settled(1), ['1 tide a 1']);
});

test('a node’s newer snapshot replaces its older one, and no other node’s', async () => {
  const { queue, settled } = noted();
  queue.add(ONE, job('a', '1'));
  queue.add(ONE, job('b', '1'));
  queue.add(ONE, job('a', '1', 'loom'));
  queue.add(OTHER, job('a', '1'));
  queue.add(ONE, job('a', '2'));
  queue.start();
  const expected = ['1 tide a 2', '1 tide b 1', '1 loom a 1', '2 tide a 1'];
  assert.deepEqual(await settled(4), expected);
});

test('a snapshot that is added during a merge is merged, too', async () => {
  const { queue, settled } = noted();
  queue.start();
  queue.add(ONE, job('a', '1'));
  queue.add(OTHER, job('a', '1'));
  queue.add(ONE, job('a', '2'));
  assert.deepEqual(await settled(3), ['1 tide a 1', '2 tide a 1', '1 tide a 2']);
});

test('nothing is merged after the core is gone', async () => {
  const { queue, settled } = noted();
  queue.start();
  queue.add(ONE, job('a', '1'));
  queue.add(ONE, job('b', '1'));
  queue.stop();
  assert.deepEqual(await settled(1), ['1 tide a 1']);
});
