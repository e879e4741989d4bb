// What is kept in local storage, and what `clear` leaves there.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keepFor } from '../src/count/kept.js';
import { openKeep } from '../src/keep.js';

/** @type {Record<string, string>} */
const stored = {};
const localStorage = Object.create({
  getItem: (/** @type {string} */ key) => stored[key] ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ text) => {
    stored[key] = text;
  },
  removeItem: (/** @type {string} */ key) => {
    delete stored[key];
  },
});
Object.defineProperty(globalThis, 'window', {
  value: {
    addEventListener() {},
    // Object.keys() of a real one has its entries.
    get localStorage() {
      return Object.assign(Object.create(Object.getPrototypeOf(localStorage)), stored);
    },
  },
});

test('clear leaves the views on their way, also those of count.js', () => {
  const keep = openKeep();
  const ofSite = keepFor('https://example.org', keep);
  keep.write('high:tide', '7');
  keep.write('unsent:1', 'tide');
  ofSite.write('once:tide', '2026-01-01');
  ofSite.write('unsent:2', 'moss');
  keep.clear();
  assert.deepEqual(keep.keys(), ['unsent:1', 'https://example.org unsent:2']);
  assert.deepEqual(ofSite.keys(), ['unsent:2']);
});
