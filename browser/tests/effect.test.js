// What one merge has changed, as the panel's timeline says it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { effect } from '../src/panel/effect.js';
import { B, state } from './panel-states.js';

/** @import { State } from '../src/panel/states.js' */

/**
 * @param {State} before
 * @param {State} after
 */
const text = (before, after) => effect(before, after).text;
const folded = { b: 1763800000005456 };

test('a slot that has grown, and a new one', () => {
  assert.equal(text(state({ [B]: 5 }), state({ [B]: 7 })), '+2: b 5→7');
  assert.equal(text(state(), state({ [B]: 5 })), '+5: new slot b@…5456 5');
});

test('nothing', () => {
  assert.equal(text(state({ [B]: 5 }), state({ [B]: 5 })), 'nothing new');
});

test('a slot of a node that has two is named with its start', () => {
  const [before, after] = [state({ 'b@1': 5, 'b@2': 1 }), state({ 'b@1': 5, 'b@2': 2 })];
  assert.equal(text(before, after), '+1: b@2 1→2');
});

test('a slot that was lifted, alone and with a base that has grown', () => {
  const before = state({ [B]: 8 }, 40);
  assert.equal(text(before, state({}, 48, folded)), 'lifted b@…5456 (8) into the base');
  const grown = '+2: lifted b@…5456 (8) into the base, base 48→50';
  assert.equal(text(before, state({}, 50, folded)), grown);
});

test('a fold of slots that this browser never had', () => {
  assert.equal(text(state(), state({}, 0, { b: 7 })), 'learned that b@7 and older are folded');
});

test('if there are many changes, the first are named and the others counted', () => {
  const many = Object.fromEntries([...'abcdef'].map((node) => [`${node}@1`, 1]));
  assert.match(text(state(), state(many)), /^\+6: new slot a@1 1, .* and 2 more changes$/);
});
