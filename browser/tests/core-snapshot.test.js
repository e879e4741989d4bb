// The snapshot's format: what was packed is restored, or damage is noticed.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pack, unpack } from '../src/core-snapshot.js';

const PAGE = 4096;
const PAGES = 5;
const CONFIG = { keys: [null, 'é'] };

/** The second page and the end of the last are changed between them. */
function memories() {
  const before = new Uint8Array(PAGES * PAGE).fill(7);
  const after = before.slice();
  after.fill(0, PAGE + 8, PAGE + 24);
  after[PAGES * PAGE - 1] = 2;
  return { before, after };
}

test('restored over the memory before, it gives the memory after', () => {
  const { before, after } = memories();
  const { config, restore } = unpack(pack(before, after, CONFIG).buffer);
  assert.deepEqual(config, CONFIG);
  restore(before);
  assert.deepEqual(before, after);
});

test('words that the start did not change stay as this browser has them', () => {
  const { before, after } = memories();
  const mine = before.slice();
  mine.fill(9, PAGE + 24, PAGE + 32); // beside what was changed
  mine.fill(9, PAGE + 8, PAGE + 12); // within
  unpack(pack(before, after, CONFIG).buffer).restore(mine);
  assert.deepEqual(mine.subarray(PAGE + 24, PAGE + 32), new Uint8Array(8).fill(9));
  assert.deepEqual(mine.subarray(PAGE + 8, PAGE + 24), new Uint8Array(16));
});

test('it holds only the pages that differ', () => {
  const { before, after } = memories();
  const size = pack(before, after, CONFIG).length;
  assert.ok(size > 2 * PAGE && size < 3 * PAGE, `${size} bytes`);
});

test('a flipped bit is noticed, wherever it is', () => {
  const { before, after } = memories();
  const packed = pack(before, after, CONFIG);
  for (const at of [0, 4, 8, 12, 21, 30, PAGE, packed.length - 1]) {
    const damaged = packed.slice();
    damaged[at] ^= 0x10;
    assert.throws(() => unpack(damaged.buffer), `byte ${at}`);
  }
});

test('a part of a snapshot is noticed', () => {
  const { before, after } = memories();
  const packed = pack(before, after, CONFIG);
  for (const length of [0, 3, 4, 100, PAGE, packed.length - 4]) {
    assert.throws(() => unpack(packed.slice(0, length).buffer), `${length} bytes`);
  }
});

test('a snapshot of a larger memory is refused', () => {
  const { before, after } = memories();
  const { restore } = unpack(pack(before, after, CONFIG).buffer);
  assert.throws(() => restore(new Uint8Array(2 * PAGE)), RangeError);
});
