// The idempotency keys of views.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { made_ms, uuid7 } from '../src/uuid7.js';

test('a key is a UUID of version 7 that says when it was made', () => {
  for (const now_ms of [0, 1_763_800_000_000, 2 ** 48 - 1]) {
    const key = uuid7(now_ms);
    assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(made_ms(key), now_ms);
  }
});
