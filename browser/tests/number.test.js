// The number: how it is written, how it counts up, what is said of it; with a page and a clock of our own.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { announcer } from '../src/announce.js';
import '../src/format.js';
import { viewsNumber } from '../src/number.js';

const english = globalThis.viewsFormat(['en-US'], 'en');
const LARGEST = Number.MAX_SAFE_INTEGER;

// -- how it is written -------------------------------------------------------------------------

test('a number is short from 10,000 up, and exact below', () => {
  const seen = [0, 1, 999, 9_999, 10_000, 12_345, 999_999, 1_234_567, LARGEST].map(english.short);
  assert.deepEqual(seen, ['0', '1', '999', '9,999', '10K', '12K', '999K', '1.2M', '9007T']);
  assert.equal(english.exact(LARGEST), '9,007,199,254,740,991');
});

test('one view, two views', () => {
  assert.deepEqual([0, 1, 2, 21, LARGEST].map(english.unit), [
    'views',
    'view',
    'views',
    'views',
    'views',
  ]);
});

test('it is written as the reader writes numbers', () => {
  /** @type {(language: string, ...views: number[]) => string[]} */
  const read = (language, ...views) =>
    views
      .map(globalThis.viewsFormat([language, 'en'], 'en').short)
      .map((text) => text.replaceAll('\u00a0', ' '));
  assert.deepEqual(read('de-DE', 9_999, 12_345, 1_299_999), ['9.999', '12.345', '1,2 Mio.']);
  assert.deepEqual(read('hi', 12_345, 123_456), ['12 हज़ार', '1.2 लाख']);
});

test('languages that are none leave it in the page’s own', () => {
  assert.equal(globalThis.viewsFormat(['en-US@posix'], 'en').short(12_345), '12K');
});

test('what is kept is a number of views, or less than any', () => {
  assert.deepEqual(['0', '7', String(LARGEST)].map(globalThis.viewsKept), [0, 7, LARGEST]);
  for (const text of [
    'garbage',
    '-5',
    '1e9',
    '0x10',
    ' 7',
    '1.5',
    '',
    '9007199254740992',
    '9'.repeat(20),
    null,
  ])
    assert.equal(globalThis.viewsKept(text), -1, `${text}`);
});

/** @param {string} text */
const least = (text) => {
  const factor = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 }[text.at(-1)] ?? 1;
  return Math.round(parseFloat(text.replaceAll(',', '')) * factor);
};

/** Every length, and around each place where the text changes. */
function* manyNumbers() {
  for (let size = 1; size < LARGEST; size *= 10)
    for (const part of [1, 1.049_999, 1.05, 1.1, 1.95, 1.999_999, 5, 9.949_999, 9.95, 9.999_999])
      for (const more of [-1, 0, 1])
        yield Math.max(0, Math.min(LARGEST, Math.floor(size * part) + more));
  yield LARGEST;
}

for (const rounding of ['by the browser', 'where the browser can only round to nearest'])
  test(`a short number is never more than the truth and never falls, cut ${rounding}`, () => {
    const real = Intl.NumberFormat;
    class Older extends real {
      constructor(languages, { roundingMode: _, ...options } = {}) {
        super(languages, options);
      }
      resolvedOptions() {
        return { ...super.resolvedOptions(), roundingMode: undefined };
      }
    }
    if (rounding !== 'by the browser') Intl.NumberFormat = Older;
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

// -- how it counts up --------------------------------------------------------------------------

let now_ms = 0;
/** @type {((now_ms: number) => void)[]} */
let frames = [];
/** @type {string[]} */
let texts = [];
let still = false;
/** @type {Map<string, string>} */
let kept = new Map();
/** @type {(key: string, text: string) => void} */
let otherTab = () => {};
/** @type {(event: {persisted: boolean}) => void} */
let comesBack = () => {};

const keep = {
  read: (key) => kept.get(key) ?? null,
  write: (key, text) => kept.set(key, text),
  listen: (heard) => (otherTab = heard),
};

/** A place for the number, as in the page. */
function place(views) {
  const region = { textContent: '' };
  const line = { textContent: '', getAttribute: () => 'line' };
  const count = { title: '', querySelector: () => region, querySelectorAll: () => [line] };
  const element = {
    dataset: { video: 'tide', value: String(views) },
    closest: () => count,
    get textContent() {
      return texts.at(-1) ?? english.short(views);
    },
    set textContent(text) {
      texts.push(text);
    },
  };
  return { element, region, line, count };
}

/** Lets the page paint, for that long. */
function paint(for_ms) {
  for (const end_ms = now_ms + for_ms; now_ms < end_ms; ) {
    now_ms += 16;
    mock.timers.tick(16);
    for (const frame of frames.splice(0)) frame(now_ms);
  }
}

beforeEach(() => {
  [now_ms, frames, texts, still, kept] = [1_000, [], [], false, new Map()];
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(performance, 'now', () => now_ms);
  Object.assign(globalThis, {
    document: { hidden: false, documentElement: { lang: 'en' } },
    matchMedia: () => ({ matches: still }),
    requestAnimationFrame: (frame) => frames.push(frame),
    cancelAnimationFrame: () => (frames = []),
    addEventListener: (name, heard) => name === 'pageshow' && (comesBack = heard),
  });
  Object.defineProperty(globalThis, 'navigator', {
    value: { languages: ['en'] },
    configurable: true,
  });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test('a large step is counted up: true for scripts at once, to the eye after 600 ms, never back', () => {
  const { element, line } = place(10);
  const number = viewsNumber(element, keep);
  number.raise(5_010);
  assert.deepEqual([element.dataset.value, kept.get('high:tide')], ['5010', '5010']);
  paint(300);
  const midway = texts.length;
  paint(320);
  const seen = texts.map(least);
  assert.ok(midway > 5 && seen.length > midway);
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  assert.equal(seen.at(-1), 5_010);
  assert.equal(line.textContent, 'views');
  assert.deepEqual(frames, []);
});

test('a target that moves while it counts does not make it jump back', () => {
  const number = viewsNumber(place(0).element, keep);
  number.raise(1_000);
  paint(200);
  number.raise(2_000);
  paint(100);
  number.raise(2_001);
  paint(620);
  const seen = texts.map(least);
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  assert.equal(seen.at(-1), 2_001);
});

test('a small step, a hidden page and a reader who wants no motion see the last number only', () => {
  const number = viewsNumber(place(0).element, keep);
  number.raise(7);
  document.hidden = true;
  number.raise(700);
  document.hidden = false;
  still = true;
  number.raise(7_000);
  assert.deepEqual(texts, ['7', '700', '7,000']);
});

test('what is less, the same or no number changes nothing', () => {
  const number = viewsNumber(place(5).element, keep);
  for (const value of [4, 5, -1, NaN, 6.5, Infinity, 2 ** 53, '9']) number.raise(value);
  assert.deepEqual(texts, []);
});

test('the largest number there can be is reached exactly', () => {
  const { element, line, count } = place(0);
  viewsNumber(element, keep).raise(LARGEST);
  paint(620);
  assert.equal(texts.at(-1), '9007T');
  assert.equal(line.textContent, '9,007,199,254,740,991 views');
  assert.equal(count.title, '9,007,199,254,740,991 views');
});

test('another tab’s higher mark is shown, and its lower one is mended', () => {
  const { element } = place(5);
  viewsNumber(element, keep);
  otherTab('high:tide', '8');
  otherTab('high:loom', '80');
  assert.equal(element.dataset.value, '8');
  kept.set('high:tide', '6');
  otherTab('high:tide', '6');
  assert.deepEqual([element.dataset.value, kept.get('high:tide')], ['8', '8']);
});

test('a page that comes back by the back button shows at once what other pages have shown since', () => {
  const { element } = place(3);
  viewsNumber(element, keep);
  kept.set('high:tide', '4000');
  comesBack({ persisted: false });
  assert.equal(element.dataset.value, '3');
  comesBack({ persisted: true });
  paint(620);
  assert.deepEqual([element.dataset.value, ...new Set(texts)], ['4000', '4,000']);
});

// -- what is said of it ------------------------------------------------------------------------

test('what changes is said at once, and then again after 20 s at the earliest', () => {
  const region = { textContent: '' };
  const said = announcer(region);
  for (let views = 1; views <= 50; views += 1) {
    said.changed(`${views} views`);
    paint(1_000);
  }
  const heard = region.textContent;
  assert.ok(heard === '41 views' || heard === '40 views', heard);
  paint(60_000);
  assert.equal(region.textContent, '50 views');
});

test('the reader’s own view is said without waiting, and nothing twice', () => {
  const { element, region } = place(0);
  const number = viewsNumber(element, keep);
  number.announce();
  assert.equal(region.textContent, '');
  number.raise(1);
  paint(16);
  assert.equal(region.textContent, '1 view');
  number.raise(2);
  paint(16);
  assert.equal(region.textContent, '1 view');
  number.announce();
  assert.equal(region.textContent, '2 views');
});
