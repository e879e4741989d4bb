// The number on the page: how it counts up and what is announced, with a page and a clock of our own.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { announcer } from '../src/announce.js';
import { viewsNumber } from '../src/number.js';
import { least } from './reading.js';

/** @import { Keep } from '../src/keep.js' */

const LARGEST = Number.MAX_SAFE_INTEGER;

let now_ms = 0;
/** @type {((now_ms: number) => void)[]} */
let frames = [];
/** @type {string[]} */
let texts = [];
let still = false;
let hidden = false;
/** @type {Map<string, string>} */
let kept = new Map();
/** @type {(key: string, text: string) => void} */
let otherTab = () => {};
/** @type {(event: {persisted: boolean}) => void} */
let comesBack = () => {};

/** @type {Keep} */
const keep = {
  kind: 'indexeddb',
  problem: '',
  read: (key) => kept.get(key) ?? null,
  write(key, text) {
    kept.set(key, text);
    return true;
  },
  remove() {},
  keys: () => [],
  choose() {},
  clear() {},
  onWrite(changed) {
    otherTab = changed;
  },
  onChoice() {},
};

/**
 * A place for the number, as in the page: as much of its elements as the number takes.
 *
 * @param {number} views
 */
function place(views) {
  const region = { textContent: '' };
  const line = { textContent: '', getAttribute: () => 'line' };
  const count = { title: '', querySelector: () => region, querySelectorAll: () => [line] };
  const dataset = { video: 'tide', value: String(views) };
  const fake = {
    dataset,
    closest: () => count,
    get textContent() {
      return texts.at(-1) ?? new Intl.NumberFormat('en').format(views);
    },
    set textContent(text) {
      texts.push(text);
    },
  };
  const element = /** @type {HTMLElement} */ (/** @type {unknown} */ (fake));
  return { number: viewsNumber(element, keep), dataset, region, line, count };
}

/**
 * Lets the page paint, for that long.
 *
 * @param {number} for_ms
 */
function paint(for_ms) {
  for (const end_ms = now_ms + for_ms; now_ms < end_ms; ) {
    now_ms += 16;
    mock.timers.tick(16);
    for (const frame of frames.splice(0)) frame(now_ms);
  }
}

/** @param {number[]} numbers */
const sorted = (numbers) => [...numbers].sort((a, b) => a - b);

beforeEach(() => {
  [now_ms, frames, texts, still, hidden, kept] = [1_000, [], [], false, false, new Map()];
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(performance, 'now', () => now_ms);
  Object.assign(globalThis, {
    document: {
      get hidden() {
        return hidden;
      },
      documentElement: { lang: 'en' },
    },
    matchMedia: () => ({ matches: still }),
    requestAnimationFrame: (/** @type {(now_ms: number) => void} */ frame) => frames.push(frame),
    cancelAnimationFrame() {
      frames = [];
    },
    addEventListener(/** @type {string} */ name, /** @type {typeof comesBack} */ listener) {
      if (name === 'pageshow') comesBack = listener;
    },
  });
  const value = { languages: ['en'] };
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test('a large step is counted up: true for scripts at once, to the eye after 600 ms, never back', () => {
  const { number, dataset, line } = place(10);
  number.raise(5_010);
  assert.deepEqual([dataset.value, kept.get('high:tide')], ['5010', '5010']);
  paint(300);
  const midway = texts.length;
  paint(320);
  const seen = texts.map(least);
  assert.ok(midway > 5 && seen.length > midway);
  assert.deepEqual(seen, sorted(seen));
  assert.equal(seen.at(-1), 5_010);
  assert.equal(line.textContent, 'views');
  assert.deepEqual(frames, []);
});

test('it does not jump back when its target moves while it counts up', () => {
  const { number } = place(0);
  number.raise(1_000);
  paint(200);
  number.raise(2_000);
  paint(100);
  number.raise(2_001);
  paint(620);
  const seen = texts.map(least);
  assert.deepEqual(seen, sorted(seen));
  assert.equal(seen.at(-1), 2_001);
});

test('a small step, a hidden page and a reader who wants no motion see the last number only', () => {
  const { number } = place(0);
  number.raise(7);
  hidden = true;
  number.raise(700);
  hidden = false;
  still = true;
  number.raise(7_000);
  assert.deepEqual(texts, ['7', '700', '7,000']);
});

test('a smaller or equal number, or no number, changes nothing', () => {
  const { number } = place(5);
  const text = JSON.parse('"9"'); // what a node's answer may hold, whatever the types say
  for (const value of [4, 5, -1, NaN, 6.5, Infinity, 2 ** 53, text]) number.raise(value);
  assert.deepEqual(texts, []);
});

test('the largest possible number is reached exactly', () => {
  const { number, line, count } = place(0);
  number.raise(LARGEST);
  paint(620);
  assert.equal(texts.at(-1), '9007T');
  assert.equal(line.textContent, '9,007,199,254,740,991 views');
  assert.equal(count.title, '9,007,199,254,740,991 views');
});

test('another tab’s higher mark is shown, and its lower one is mended', () => {
  const { dataset } = place(5);
  otherTab('high:tide', '8');
  otherTab('high:loom', '80');
  assert.equal(dataset.value, '8');
  kept.set('high:tide', '6');
  otherTab('high:tide', '6');
  assert.deepEqual([dataset.value, kept.get('high:tide')], ['8', '8']);
});

test('a page that comes back by the back button shows at once what other pages have shown since', () => {
  const { dataset } = place(3);
  kept.set('high:tide', '4000');
  comesBack({ persisted: false });
  assert.equal(dataset.value, '3');
  comesBack({ persisted: true });
  paint(620);
  assert.deepEqual([dataset.value, ...new Set(texts)], ['4000', '4,000']);
});

// -- what is announced -------------------------------------------------------------------------

test('a change is announced at once, and then again after 20 s at the earliest', () => {
  const region = { textContent: '' };
  const announcement = announcer(/** @type {Element} */ (region));
  for (let views = 1; views <= 50; views += 1) {
    announcement.changed(`${views} views`);
    paint(1_000);
  }
  assert.ok(['40 views', '41 views'].includes(region.textContent), region.textContent);
  paint(60_000);
  assert.equal(region.textContent, '50 views');
});

test('the reader’s own view is announced without waiting, and nothing twice', () => {
  const { number, region } = place(0);
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
