// Views on their way, with a fake network and a fake clock.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { openOutbox } from '../src/outbox.js';
import { uuid7 } from '../src/uuid7.js';

/** @import { Keep } from '../src/keep.js' */

const MINUTE_MS = 60_000;
const BEGIN_MS = 1_763_800_000_000;

/**
 * What the network does with each try. A function does something meanwhile, and returns the status.
 *
 * @type {(number | 'cut' | (() => number))[]}
 */
let answers = [];
/** The keys of all tries. @type {string[]} */
let sent = [];
/** What each try says of its number. @type {(string | null)[]} */
let attempts = [];
/** What a node says of a view that it accepts. @type {boolean | 'pending'} */
let fate = true;
/** @type {Map<string, string>} */
let kept = new Map();
/** Whether the answers come from a node, or from a proxy on the way. */
let from_node = true;
/** The views that were counted. @type {{video: string, views: number}[]} */
let counted = [];
/** Which of them are pending. @type {boolean[]} */
let pending = [];
/** @type {string[]} */
let lines = [];

beforeEach(() => {
  [answers, sent, attempts, kept, counted, pending, lines] = [[], [], [], new Map(), [], [], []];
  fate = true;
  from_node = true;
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: BEGIN_MS });
});

afterEach(() => mock.timers.reset());

globalThis.fetch = async (_url, options) => {
  const asked = new Headers(options?.headers);
  sent.push(asked.get('Idempotency-Key') ?? '');
  attempts.push(asked.get('Ratchet-Attempt'));
  const answer = answers.shift() ?? 'cut';
  const status = typeof answer === 'function' ? answer() : answer;
  if (status === 'cut') throw new TypeError('Failed to fetch');
  /** @type {Record<string, string>} */
  const headers = from_node ? { 'X-Ratchet-Node': 'a' } : {};
  return new Response(JSON.stringify({ views: 7, counted: fate }), { status, headers });
};

/** @type {Keep} */
const keep = {
  kind: 'indexeddb',
  problem: '',
  read: (key) => kept.get(key) ?? null,
  write(key, text) {
    kept.set(key, text);
    return true;
  },
  remove: (key) => kept.delete(key),
  keys: () => [...kept.keys()],
  choose() {},
  clear() {},
  onWrite() {},
  onChoice() {},
};

function outbox() {
  return openOutbox(keep, {
    counted(video, views, isPending) {
      counted.push({ video, views });
      pending.push(isPending);
    },
    log: (line) => lines.push(line),
  });
}

/** Runs the clock until the outbox has nothing more to do, or `limit_ms` are over. */
async function run(/** @type {number} */ limit_ms) {
  const isDone = () => counted.length > 0 || /given up|refused/.test(lines.join());
  for (let passed_ms = 0; passed_ms < limit_ms && !isDone(); passed_ms += 1_000) {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    await new Promise(setImmediate);
    mock.timers.tick(1_000);
  }
}

test('a view is sent until it is answered, with one key, and then forgotten', async () => {
  answers = ['cut', 503, 504, 200];
  outbox().count('tide');
  assert.equal(kept.size, 1);
  await run(2 * MINUTE_MS);
  assert.deepEqual(counted, [{ video: 'tide', views: 7 }]);
  assert.deepEqual([sent.length, new Set(sent).size, kept.size], [4, 1, 0]);
});

test('each try after the first says its number', async () => {
  answers = ['cut', 503, 504, 200];
  outbox().count('tide');
  await run(2 * MINUTE_MS);
  assert.deepEqual(attempts, [null, '2', '3', '4']);
});

test('the next page goes on with the number of the try, also of one that had no answer', async () => {
  answers = ['cut', 'cut'];
  outbox().count('tide');
  await run(4_000);
  const before = attempts.length;
  const [[key, text]] = kept;
  mock.timers.reset(); // the page goes
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: BEGIN_MS + MINUTE_MS });
  kept.set(key, text);
  answers = [200];
  outbox().resume();
  await run(5_000);
  assert.deepEqual(attempts.slice(before), [String(before + 1)]);
});

test('a page that goes before the first answer leaves a view whose next try is the second', async () => {
  outbox().count('tide');
  const [[key, text]] = kept;
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: BEGIN_MS + MINUTE_MS });
  kept.set(key, text);
  attempts = [];
  answers = [200];
  outbox().resume();
  await run(5_000);
  assert.equal(attempts.at(-1), '2');
});

for (const text of ['tide', `tide ${BEGIN_MS - MINUTE_MS}`]) {
  test(`a view that an earlier version stored as “${text}” is sent as a retry`, async () => {
    kept.set(`unsent:${uuid7(BEGIN_MS - MINUTE_MS)}`, text);
    answers = [200];
    outbox().resume();
    await run(5_000);
    assert.deepEqual(attempts, ['2']);
  });
}

test('no try has a number that nodes don’t read', async () => {
  kept.set(`unsent:${uuid7(BEGIN_MS - MINUTE_MS)}`, `tide ${BEGIN_MS - MINUTE_MS} 12345`);
  answers = [200];
  outbox().resume();
  await run(5_000);
  assert.deepEqual(attempts, ['9999']);
});

test('a pending view is not sent again, and the page is told that it is pending', async () => {
  fate = 'pending';
  answers = ['cut', 200];
  outbox().count('tide');
  await run(MINUTE_MS);
  assert.deepEqual([counted, pending], [[{ video: 'tide', views: 7 }], [true]]);
  assert.deepEqual([sent.length, kept.size], [2, 0]);
  assert.match(lines.at(-1) ?? '', /pending/);
});

test('a view that may have been counted is given up before its key is forgotten', async () => {
  outbox().count('tide');
  await run(14 * MINUTE_MS);
  assert.match(lines.at(-1) ?? '', /given up/);
  assert.equal(kept.size, 0);
});

for (const status of [429, 503]) {
  test(`after ${status} a view surely was not counted, and is sent for as long as it takes`, async () => {
    answers = [...Array(200).fill(status), 200];
    outbox().count('tide');
    await run(180 * MINUTE_MS);
    assert.equal(counted.length, 1);
    assert.ok(Date.now() > BEGIN_MS + 30 * MINUTE_MS);
  });
}

test('after a proxy’s own status it is unsure whether the view was counted', async () => {
  from_node = false;
  answers = [520, 413, 403, 404, 200];
  outbox().count('tide');
  await run(2 * MINUTE_MS);
  assert.deepEqual([counted.length, sent.length, new Set(sent).size], [1, 5, 1]);
});

test('a view of a clip that some nodes don’t have yet is sent for as long as its key lives', async () => {
  answers = [404, 404, 404, 200];
  outbox().count('new');
  await run(2 * MINUTE_MS);
  assert.deepEqual([counted.length, sent.length], [1, 4]);

  answers = Array(200).fill(404);
  counted = [];
  outbox().count('never');
  await run(14 * MINUTE_MS);
  assert.match(lines.at(-1) ?? '', /given up/);
  assert.equal(kept.size, 0);
});

test('a view that a node refuses is not sent again', async () => {
  answers = [422];
  outbox().count('tide');
  await run(MINUTE_MS);
  assert.deepEqual([sent.length, kept.size], [1, 0]);
});

test('the next page sends what the last one could not, unless its key is too old', async () => {
  kept.set(`unsent:${uuid7(Date.now() - MINUTE_MS)}`, 'tide');
  kept.set(`unsent:${uuid7(Date.now() - 60 * MINUTE_MS)}`, 'loom');
  answers = [200];
  outbox().resume();
  await run(5_000);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.deepEqual(counted, [{ video: 'tide', views: 7 }]);
  assert.deepEqual([sent.length, kept.size], [1, 0]);
});

test('a view that may have been counted is not sent again after the clock was set back', async () => {
  kept.set(`unsent:${uuid7(Date.now() + 60 * MINUTE_MS)}`, 'tide');
  answers = [200];
  outbox().resume();
  await run(5_000);
  assert.match(lines.at(-1) ?? '', /given up/);
  assert.deepEqual([sent.length, kept.size], [0, 0]);
});

test('a view that another page has sent meanwhile is not sent again', async () => {
  const elsewhere = () => {
    kept.clear();
    return 503;
  };
  answers = [elsewhere, 200];
  outbox().count('tide');
  await run(MINUTE_MS);
  assert.equal(sent.length, 1);
  assert.match(lines.at(-1) ?? '', /another page/);
});

test('while one page is unsure of a view, no page takes it for surely not counted', async () => {
  // Another page has the same view on its way, and gets no answer.
  const elsewhere = () => {
    const [key] = kept.keys();
    kept.set(key, `tide ${Date.now()}`);
    return 503;
  };
  answers = [503, elsewhere, ...Array(200).fill(503)];
  outbox().count('tide');
  await run(14 * MINUTE_MS);
  assert.match(lines.at(-1) ?? '', /given up/);
  assert.equal(kept.size, 0);
});
