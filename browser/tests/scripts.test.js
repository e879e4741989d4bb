// The page's pure modules, and the outbox with a fake network and a fake clock.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { Backoff } from '../src/backoff.js';
import { list } from '../src/elements.js';
import { Broken, Garbage, mergeInto, replaceIn } from '../src/merge-step.js';
import { openOutbox } from '../src/outbox.js';
import { ownValue } from '../src/own-value.js';
import { onPlay } from '../src/play.js';
import { noStorage } from '../src/storage/off.js';
import { made_ms, uuid7 } from '../src/uuid7.js';

test('a key is a UUID of version 7 that says when it was made', () => {
  for (const now_ms of [0, 1_763_800_000_000, 2 ** 48 - 1]) {
    const key = uuid7(now_ms);
    assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(made_ms(key), now_ms);
  }
});

test('a snapshot’s own value is its base and its slots', () => {
  assert.equal(ownValue('{"base": 5, "slots": {"a@1": 7, "b@2": 0}, "folded": {}}'), 12);
  assert.equal(ownValue('{"base": 0, "slots": {}}'), 0);
});

test('garbage has no value', () => {
  const garbage = ['', 'null', '7', '[]', '{}', '{"base": 1}', '{"base": "1", "slots": {}}'];
  garbage.push(
    '{"base": -1, "slots": {}}',
    '{"base": 1.5, "slots": {}}',
    '{"base": 1, "slots": {"a": 1e400}}',
  );
  for (const text of garbage) assert.ok(Number.isNaN(ownValue(text)), text);
});

test('each wait is about twice the last, up to a bound', () => {
  const backoff = new Backoff();
  const waits_ms = Array.from({ length: 20 }, () => backoff.next_ms());
  assert.ok(waits_ms[0] >= 200 && waits_ms[0] <= 600);
  assert.ok(Math.max(...waits_ms) <= 22_500 && waits_ms[19] >= 7_500);
  backoff.reset();
  assert.ok(backoff.next_ms() <= 600);
});

/** @type {(number | 'cut' | (() => number))[]} */
let answers = [];
/** @type {string[]} */
let sent = [];
/** @type {Map<string, string>} */
let kept = new Map();

beforeEach(() => {
  answers = [];
  sent = [];
  kept = new Map();
});

globalThis.fetch = async (_url, options) => {
  sent.push(options.headers['Idempotency-Key']);
  const answer = answers.shift() ?? 'cut';
  // Meanwhile another page has done something to what is kept of it.
  const status = typeof answer === 'function' ? answer() : answer;
  if (status === 'cut') throw new TypeError('Failed to fetch');
  return new Response(JSON.stringify({ views: 7 }), { status });
};

const keep = {
  read: (key) => kept.get(key) ?? null,
  write: (key, text) => kept.set(key, text),
  remove: (key) => kept.delete(key),
  keys: () => [...kept.keys()],
  kind: 'indexeddb',
};

/** Runs the clock until the outbox has nothing more to do, or `limit_ms` are over. */
async function run(outcome, limit_ms) {
  for (let passed_ms = 0; passed_ms < limit_ms && !outcome.done; passed_ms += 1_000) {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    await new Promise((turn) => setImmediate(turn));
    mock.timers.tick(1_000);
  }
}

function outboxWith(outcome) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_763_800_000_000 });
  return openOutbox(
    keep,
    (video, views) => Object.assign(outcome, { done: true, video, views }),
    (line) => Object.assign(outcome, { line, done: /given up|refused/.test(line) }),
  );
}

test('a view is sent until it is answered, with one key, and then forgotten', async () => {
  const outcome = {};
  answers = ['cut', 503, 504, 200];
  outboxWith(outcome).count('tide');
  assert.equal(kept.size, 1);
  await run(outcome, 120_000);
  assert.deepEqual(
    [outcome.video, outcome.views, sent.length, new Set(sent).size],
    ['tide', 7, 4, 1],
  );
  assert.equal(kept.size, 0);
  mock.timers.reset();
});

test('a view that may have been counted is given up before its key is forgotten', async () => {
  const outcome = {};
  outboxWith(outcome).count('tide');
  await run(outcome, 14 * 60_000);
  assert.match(outcome.line, /given up/);
  assert.equal(kept.size, 0);
  mock.timers.reset();
});

test('a view that surely was not counted is sent for as long as it takes', async () => {
  const outcome = {};
  answers = [...Array(200).fill(503), 200];
  outboxWith(outcome).count('tide');
  await run(outcome, 3 * 60 * 60_000);
  assert.equal(outcome.views, 7);
  assert.ok(Date.now() > 1_763_800_000_000 + 30 * 60_000);
  mock.timers.reset();
});

test('a proxy’s own way of saying that it failed leaves open whether it was counted', async () => {
  const outcome = {};
  answers = [520, 524, 200];
  outboxWith(outcome).count('tide');
  await run(outcome, 60_000);
  assert.deepEqual([outcome.views, sent.length, new Set(sent).size], [7, 3, 1]);
  mock.timers.reset();
});

test('a refused view is not sent again', async () => {
  const outcome = {};
  answers = [404];
  outboxWith(outcome).count('nobody');
  await run(outcome, 60_000);
  assert.deepEqual([sent.length, kept.size], [1, 0]);
  mock.timers.reset();
});

test('the next page sends what the last one could not, unless its key is too old', async () => {
  const outcome = {};
  const outbox = outboxWith(outcome);
  kept.set(`unsent:${uuid7(Date.now() - 60_000)}`, 'tide');
  kept.set(`unsent:${uuid7(Date.now() - 60 * 60_000)}`, 'loom');
  answers = [200];
  outbox.resume();
  await run({}, 5_000);
  assert.deepEqual([sent.length, kept.size, outcome.video], [1, 0, 'tide']);
  mock.timers.reset();
});

test('a view that may have been counted is not sent again after the clock was set back', async () => {
  const outcome = {};
  const outbox = outboxWith(outcome);
  kept.set(`unsent:${uuid7(Date.now() + 60 * 60_000)}`, 'tide');
  answers = [200];
  outbox.resume();
  await run(outcome, 5_000);
  assert.match(outcome.line, /given up/);
  assert.deepEqual([sent.length, kept.size], [0, 0]);
  mock.timers.reset();
});

test('a view that another page has sent meanwhile is not sent again', async () => {
  const outcome = {};
  answers = [() => (kept.clear(), 503), 200];
  outboxWith(outcome).count('tide');
  await run({}, 60_000);
  assert.equal(sent.length, 1);
  assert.match(outcome.line, /another page/);
  mock.timers.reset();
});

test('what one page does not know of a view, no page takes for surely not counted', async () => {
  const outcome = {};
  const noAnswer = () => (kept.set([...kept.keys()][0], `tide ${Date.now()}`), 503);
  answers = [503, noAnswer, ...Array(200).fill(503)];
  outboxWith(outcome).count('tide');
  await run(outcome, 14 * 60_000);
  assert.match(outcome.line, /given up/);
  assert.equal(kept.size, 0);
  mock.timers.reset();
});

// -- what a view is ----------------------------------------------------------------------------

/** A clip as it stands in the page when the script comes. */
const player = (given = {}) =>
  Object.assign(new EventTarget(), { played: { length: 0 }, ended: false }, given);

function viewsOf(clip) {
  const views = { counted: 0 };
  onPlay(clip, () => (views.counted += 1));
  return (/** @type {string[]} */ ...events) => {
    for (const name of events) clip.dispatchEvent(new Event(name));
    return views.counted;
  };
}

test('a play is counted once from its start to its end, however often it pauses', () => {
  const after = viewsOf(player());
  assert.deepEqual(
    [after(), after('playing'), after('playing', 'ended'), after('playing')],
    [0, 1, 1, 2],
  );
});

test('a clip that was played before the script was here is counted, and not again before its end', () => {
  const playing = viewsOf(player({ played: { length: 1 } }));
  assert.deepEqual([playing(), playing('playing'), playing('ended', 'playing')], [1, 1, 2]);
  const over = viewsOf(player({ played: { length: 1 }, ended: true }));
  assert.deepEqual([over(), over('playing')], [1, 2]);
});

// -- a merge that fails ------------------------------------------------------------------------

const EMPTY = { counter: '', folded: '' };

function coreThatFails(error) {
  return () => {
    throw error;
  };
}

test('what the core refuses is garbage; whatever else comes out of it means that it is broken', async () => {
  const refused = Object.assign(new Error('Traceback\nratchet.names.Invalid: no'), {
    type: 'Invalid',
  });
  const broken = [
    new WebAssembly.RuntimeError('table index is out of bounds'),
    Object.assign(new Error('x'), { type: 'MemoryError' }),
  ];
  const storage = noStorage();
  await assert.rejects(
    mergeInto(coreThatFails(refused), storage, 'tide', '{}'),
    (error) => error instanceof Garbage,
  );
  for (const error of broken) {
    await assert.rejects(
      mergeInto(coreThatFails(error), storage, 'tide', '{}'),
      (said) => said instanceof Broken,
    );
    await assert.rejects(
      replaceIn(coreThatFails(error), storage, 'tide', EMPTY),
      (said) => said instanceof Broken,
    );
  }
});

test('a storage that fails is neither', async () => {
  const storage = { update: () => Promise.reject(new Error('full')), clear: async () => {} };
  await assert.rejects(mergeInto(coreThatFails(new Error()), storage, 'tide', '{}'), {
    name: 'Error',
    message: 'full',
  });
});

// -- lists of elements -------------------------------------------------------------------------

/** As much of an element as a list needs. */
function parentElement() {
  const parent = {
    children: [],
    insertBefore(item, before) {
      item.remove();
      parent.children.splice(
        before ? parent.children.indexOf(before) : parent.children.length,
        0,
        item,
      );
    },
    get lastElementChild() {
      return parent.children.at(-1);
    },
  };
  globalThis.document = {
    createElement: () => ({
      dataset: {},
      remove() {
        parent.children = parent.children.filter((one) => one !== this);
      },
    }),
  };
  return parent;
}

test('a list has an element for each key, in order, and keeps those that stay', () => {
  const parent = parentElement();
  const after = (...keys) => {
    list(parent, keys, 'li', () => {});
    return parent.children.map((item) => item.dataset.key);
  };
  assert.deepEqual(after('a', 'b', 'c'), ['a', 'b', 'c']);
  const [a] = parent.children;
  assert.deepEqual(after('c', 'a'), ['c', 'a']);
  assert.equal(parent.children[1], a);
  // Two that say the same: as many as there are, however often they are drawn.
  for (let times = 0; times < 3; times += 1)
    assert.deepEqual(after('a', 'a', 'b'), ['a', 'a', 'b']);
  assert.deepEqual(after('b'), ['b']);
});
