// States and slots as the panel reads them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { allSlots, brief, readState, started } from '../src/panel/states.js';
import { A, state } from './panel-states.js';

test('slots are sorted by node and start, and have a short name and a time', () => {
  const slots = allSlots(state({ 'b@2': 1, 'a@10': 1 }), undefined, state({ 'a@9': 1 }));
  assert.deepEqual(slots, ['a@9', 'a@10', 'b@2']);
  assert.equal(brief(A), 'a@…4123');
  assert.equal(started(1763800000004123)?.getTime(), 1763800000004);
  assert.equal(started(7), undefined);
});

test('a text that is no state is not read as one', () => {
  assert.equal(readState('{"base": 1, "slots": {"a@1": 2}}', '{"a": 0}')?.value, 3);
  const most = readState('{"base": 9007199254740991, "slots": {"a@1": 2}}', '');
  assert.equal(most?.value, 2 ** 53 - 1);
  for (const text of ['', 'null', '{"base": -1, "slots": {}}']) {
    assert.equal(readState(text, ''), undefined);
  }
});
