// The stored state as a file.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { exported, imported, MAX_BYTES } from '../src/panel/state-file.js';

const stored = { counter: '{"base":1,"slots":{"a@1":2}}', folded: '{"b":0}' };

test('what is exported can be imported', () => {
  const file = exported('tide', stored, new Date(0));
  assert.equal(JSON.parse(file).version, 1);
  assert.deepEqual(imported(file, 'tide'), stored);
});

test('an invalid file, or one of another video, is refused with the reason', () => {
  const file = JSON.parse(exported('tide', stored, new Date(0)));
  /** @type {[text: string | object, why: RegExp][]} */
  const refusals = [
    ['  ', /nothing to import/],
    ['{', /no JSON/],
    ['7', /format/],
    ['null', /format/],
    [{ ...file, format: 'zip' }, /format/],
    [{ ...file, version: 2 }, /version 2, and this page knows 1 only/],
    [{ ...file, video: 'reef' }, /video "reef", not of “tide”/],
    [{ ...file, counter: [] }, /its counter is missing/],
    [{ ...file, folded: undefined }, /its folded is missing/],
    ['x'.repeat(MAX_BYTES + 1), /1 MiB/],
  ];
  for (const [content, why] of refusals) {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    assert.throws(() => imported(text, 'tide'), why);
  }
});
