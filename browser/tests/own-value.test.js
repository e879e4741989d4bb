// The number in one snapshot.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ownValue } from '../src/own-value.js';

test('a snapshot’s own value is its base and its slots', () => {
  assert.equal(ownValue('{"base": 5, "slots": {"a@1": 7, "b@2": 0}, "folded": {}}'), 12);
  assert.equal(ownValue('{"base": 0, "slots": {}}'), 0);
});

test('garbage has no value', () => {
  const garbage = [
    '',
    'null',
    '7',
    '[]',
    '{}',
    '{"base": 1}',
    '{"base": "1", "slots": {}}',
    '{"base": -1, "slots": {}}',
    '{"base": 1.5, "slots": {}}',
    '{"base": 1, "slots": {"a": 1e400}}',
  ];
  for (const text of garbage) assert.ok(Number.isNaN(ownValue(text)), text);
});
