// How long to wait before the next try.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../src/backoff.js';

test('each wait is about twice the last, up to a bound', () => {
  const backoff = new Backoff();
  const waits_ms = Array.from({ length: 20 }, () => backoff.next_ms());
  assert.ok(waits_ms[0] >= 200 && waits_ms[0] <= 600);
  assert.ok(Math.max(...waits_ms) <= 22_500 && waits_ms[19] >= 7_500);
  backoff.reset();
  assert.ok(backoff.next_ms() <= 600);
});
