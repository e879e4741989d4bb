// Several videos share one connection, and each gets its own messages.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { liveTogether } from '../src/live-together.js';

/** @import { LiveEvents } from '../src/live.js' */

/** A connection that notes what is asked of it. */
function connection() {
  /** @type {string[]} */
  const calls = [];
  /** @type {LiveEvents[]} */
  const opened = [];
  /** @param {readonly string[]} videos @param {LiveEvents} events */
  const connect = (videos, events) => {
    calls.push(`open ${videos}`);
    opened.push(events);
    return {
      change: (/** @type {readonly string[]} */ changed) => calls.push(`change ${changed}`),
      stop: () => calls.push('stop'),
      pause: () => calls.push('pause'),
      pin: (/** @type {string} */ node) => calls.push(`pin ${node}`),
    };
  };
  return { calls, opened, connect };
}

/** @param {string} video @param {string[]} seen */
const noting = (video, seen) => ({
  received: (/** @type {string} */ text) => seen.push(`${video} ${text}`),
  lost: (/** @type {string} */ why) => seen.push(`${video} ${why}`),
});

test('one connection brings each video its own messages', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { calls, opened, connect } = connection();
  /** @type {string[]} */
  const seen = [];
  const together = liveTogether(connect);
  for (const video of ['tide', 'moss']) together.follow(video, noting(video, seen));
  assert.deepEqual(calls, []);
  t.mock.timers.tick(50);
  assert.deepEqual(calls, ['open tide,moss']);
  for (const text of [
    '{"video":"moss"}',
    '{"video":"tide"}',
    '{"video":"fern"}',
    '[',
    'null',
    '{}',
  ])
    opened[0].received(text, 'a', 'events');
  opened[0].lost('connecting', 'events');
  const lost = ['tide connecting', 'moss connecting'];
  assert.deepEqual(seen, ['moss {"video":"moss"}', 'tide {"video":"tide"}', ...lost]);
});

test('videos that come or go later change the connection once, and the last one ends it', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { calls, connect } = connection();
  /** @type {string[]} */
  const seen = [];
  const together = liveTogether(connect);
  const tide = together.follow('tide', noting('tide', seen));
  t.mock.timers.tick(50);
  const others = ['moss', 'fern', 'loom'].map((v) => together.follow(v, noting(v, seen)));
  others[1].stop();
  t.mock.timers.tick(1_000);
  assert.deepEqual(calls, ['open tide', 'change tide,moss,loom']);
  for (const each of [tide, ...others]) each.stop();
  t.mock.timers.tick(1_000);
  assert.deepEqual(calls.splice(2), ['stop']);
  together.follow('tide', noting('tide', seen));
  t.mock.timers.tick(50);
  assert.deepEqual(calls.splice(2), ['open tide']);
});

test('a video that is stopped and followed again keeps its new follower', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { opened, connect } = connection();
  /** @type {string[]} */
  const seen = [];
  const together = liveTogether(connect);
  const first = together.follow('tide', noting('first', seen));
  t.mock.timers.tick(50);
  first.pause(true);
  together.follow('tide', noting('second', seen));
  first.stop();
  opened[0].received('{"video":"tide"}', 'a', 'events');
  assert.deepEqual(seen, ['second {"video":"tide"}']);
});
