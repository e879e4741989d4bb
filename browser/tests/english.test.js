// Numbers, durations and lists, as the pages write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ago, counted, duration, listed } from '../src/english.js';

test('a duration has the two largest units', () => {
  const texts = [-5, 0.9, 59, 61, 120, 7380, 86_459, 90_000].map(duration);
  const expected = ['0 s', '0 s', '59 s', '1 min 1 s', '2 min', '2 h 3 min', '1 d', '1 d 1 h'];
  assert.deepEqual(texts, expected);
});

test('a moment ago is now, and a longer time has its largest unit', () => {
  const now_ms = 1_763_900_000_000;
  const texts = [0, 4_900, 65_000, 7_380_000].map((past_ms) => ago(now_ms - past_ms, now_ms));
  assert.deepEqual(texts, ['just now', 'just now', '1 min ago', '2 h ago']);
});

test('numbers and lists read like prose', () => {
  const rows = [0, 1, 2000].map((n) => counted(n, 'row'));
  assert.deepEqual(rows, ['0 rows', '1 row', '2,000 rows']);
  const lists = ['', 'a', 'ab', 'abc', 'abcdefg'].map((names) => listed([...names]));
  const expected = ['nobody', 'a', 'a and b', 'a, b and c', 'a, b, c, d, e and 2 more'];
  assert.deepEqual(lists, expected);
});
