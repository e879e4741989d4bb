// A merge that fails: the kind of its error decides whether another core is started.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broken, Garbage, mergeInto, replaceIn } from '../src/merge-step.js';
import { noStorage } from '../src/storage/off.js';

const EMPTY = { counter: '', folded: '' };

/** @param {Error} error */
function coreThatFails(error) {
  return () => {
    throw error;
  };
}

test('input that the core refuses is garbage; any other error means that the core is broken', async () => {
  const text = 'Traceback\nratchet.names.Invalid: no';
  const refused = Object.assign(new Error(text), { type: 'Invalid' });
  const broken = [
    new WebAssembly.RuntimeError('table index is out of bounds'),
    Object.assign(new Error('x'), { type: 'MemoryError' }),
  ];
  const storage = noStorage();
  await assert.rejects(mergeInto(coreThatFails(refused), storage, 'tide', '{}'), Garbage);
  for (const error of broken) {
    const core = coreThatFails(error);
    await assert.rejects(mergeInto(core, storage, 'tide', '{}'), Broken);
    await assert.rejects(replaceIn(core, storage, 'tide', EMPTY), Broken);
  }
});

test('the error of a storage means neither', async () => {
  const storage = { update: () => Promise.reject(new Error('full')), clear: async () => {} };
  const merged = mergeInto(coreThatFails(new Error()), storage, 'tide', '{}');
  await assert.rejects(merged, { name: 'Error', message: 'full' });
});
