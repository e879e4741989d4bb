// How a number of views is written.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import '../src/format.js';
import { least } from './reading.js';

const english = globalThis.viewsFormat(['en-US'], 'en');
const LARGEST = Number.MAX_SAFE_INTEGER;

test('a number is short from 10,000 up, and exact below', () => {
  const numbers = [0, 1, 999, 9_999, 10_000, 12_345, 999_999, 1_234_567, LARGEST];
  const expected = ['0', '1', '999', '9,999', '10K', '12K', '999K', '1.2M', '9007T'];
  assert.deepEqual(numbers.map(english.short), expected);
  assert.equal(english.exact(LARGEST), '9,007,199,254,740,991');
});

test('one view, two views', () => {
  const units = [0, 1, 2, 21, LARGEST].map(english.unit);
  assert.deepEqual(units, ['views', 'view', 'views', 'views', 'views']);
});

test('it is written as the reader writes numbers', () => {
  /** @type {(language: string, ...views: number[]) => string[]} */
  const read = (language, ...views) => {
    const { short } = globalThis.viewsFormat([language, 'en'], 'en');
    return views.map((one) => short(one).replaceAll('\u00a0', ' '));
  };
  assert.deepEqual(read('de-DE', 9_999, 12_345, 1_299_999), ['9.999', '12.345', '1,2 Mio.']);
  assert.deepEqual(read('hi', 12_345, 123_456), ['12 हज़ार', '1.2 लाख']);
});

test('without a valid language it is written in the page’s own', () => {
  assert.equal(globalThis.viewsFormat(['en-US@posix'], 'en').short(12_345), '12K');
});

test('a stored text is a number of views, or counts as less than any', () => {
  const { viewsKept } = globalThis;
  assert.deepEqual(['0', '7', String(LARGEST)].map(viewsKept), [0, 7, LARGEST]);
  const garbage = ['garbage', '-5', '1e9', '0x10', ' 7', '1.5', '', '9007199254740992', null];
  for (const text of [...garbage, '9'.repeat(20)]) assert.equal(viewsKept(text), -1, `${text}`);
});

/** Every length, and around each place where the text changes. */
function* manyNumbers() {
  const parts = [1, 1.049_999, 1.05, 1.1, 1.95, 1.999_999, 5, 9.949_999, 9.95, 9.999_999];
  for (let size = 1; size < LARGEST; size *= 10) {
    for (const part of parts) {
      for (const more of [-1, 0, 1]) {
        yield Math.max(0, Math.min(LARGEST, Math.floor(size * part) + more));
      }
    }
  }
  yield LARGEST;
}

for (const rounding of ['by the browser', 'where the browser can only round to nearest'])
  test(`a short number is never more than the truth and never falls, cut ${rounding}`, () => {
    const real = Intl.NumberFormat;
    class Older extends real {
      /**
       * @param {string[]} languages
       * @param {Intl.NumberFormatOptions} [options]
       */
      constructor(languages, { roundingMode: _, ...options } = {}) {
        super(languages, options);
      }

      /** @override */
      resolvedOptions() {
        return Object.assign(super.resolvedOptions(), { roundingMode: undefined });
      }
    }
    if (rounding !== 'by the browser') Object.assign(Intl, { NumberFormat: Older });
    const format = globalThis.viewsFormat(['en'], 'en');
    Intl.NumberFormat = real;
    let before = 0;
    for (const views of [...manyNumbers()].sort((a, b) => a - b)) {
      const shown = least(format.short(views));
      assert.ok(shown <= views, `${views} is shown as ${format.short(views)}`);
      assert.ok(shown >= before, `${views} is shown as ${format.short(views)}, after ${before}`);
      before = shown;
    }
  });
