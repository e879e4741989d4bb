// Views on their way: each is sent with its one key until a node has answered it.
//
// A view outlives its page: until it is answered its key is kept in local storage (when that is
// on), and whichever page of this site is opened next sends it again. Two tabs that do so at once
// do no harm, it is the same key.

import { Backoff, pause } from './backoff.js';
import { UNSENT } from './keep.js';
import { made_ms, uuid7 } from './uuid7.js';

// Nodes remember a key for 15 minutes. A view that may have been counted must not be sent again
// after that: it would count twice. One that surely wasn't (503) may be sent for ever.
const UNSURE_FOR_MS = 10 * 60_000;
// How far ahead of the clock a key may have been made: two readings may differ by a little.
const CLOCK_JITTER_MS = 60_000;
const ANSWER_MS = 10_000;
// The answers below 500 after which another try makes sense. From there on all do: proxies on the way have
// numbers of their own. All but 503 leave open whether it was counted.
const AGAIN = new Set([408, 425, 429]);

/**
 * @typedef {object} Outbox
 * @property {(video: string) => void} count one view of `video`
 * @property {() => void} resume sends what an earlier page could not
 */

/**
 * @param {import('./keep.js').Keep} keep
 * @param {(video: string, views: number) => void} answered
 * @param {(line: string) => void} log
 * @returns {Outbox}
 */
export function openOutbox(keep, answered, log) {
  /**
   * @param {string} video
   * @param {string} key
   * @param {number} unsure_since_ms Infinity while it surely was not counted
   */
  async function send(video, key, unsure_since_ms) {
    const kept = keep.read(UNSENT + key) !== null || keep.write(UNSENT + key, video);
    const backoff = new Backoff();
    for (let last = ''; ; ) {
      // Another page may have the same view on its way, and this one may have slept meanwhile.
      if (kept && keep.kind !== 'off') {
        const noted = keep.read(UNSENT + key);
        if (noted === null) return log(`view ${key}: another page has sent it`);
        unsure_since_ms = Math.min(unsure_since_ms, Number(noted.split(' ')[1] ?? Infinity));
      }
      if (!maySend(unsure_since_ms)) break;
      const sent_ms = Date.now();
      const { status, wait_ms, views } = await post(video, key);
      if (status === 200) {
        log(`view ${key}: counted, ${views} views`);
        keep.remove(UNSENT + key);
        answered(video, views);
        return;
      }
      if (status && status < 500 && !AGAIN.has(status)) {
        log(`view ${key}: refused with ${status}`);
        keep.remove(UNSENT + key);
        return;
      }
      if (status !== 503 && sent_ms < unsure_since_ms) {
        unsure_since_ms = sent_ms;
        keep.write(UNSENT + key, `${video} ${sent_ms}`);
      }
      const now = `view ${key}: ${status || 'no answer'}, trying again`;
      if (now !== last) log(now);
      last = now;
      await pause(Math.max(wait_ms, backoff.next_ms()));
    }
    log(`view ${key}: given up, its key is too old to be sent again safely`);
    keep.remove(UNSENT + key);
  }

  return {
    count: (video) => void send(video, uuid7(Date.now()), Infinity),
    resume() {
      for (const name of keep.keys()) {
        if (!name.startsWith(UNSENT)) continue;
        const key = name.slice(UNSENT.length);
        void send((keep.read(name) ?? '').split(' ')[0], key, made_ms(key));
      }
    },
  };
}

/**
 * By the wall clock, which goes on while the machine sleeps. If it has been set back since, nobody
 * knows how long ago it was: then not.
 *
 * @param {number} unsure_since_ms
 */
function maySend(unsure_since_ms) {
  const ago_ms = Date.now() - unsure_since_ms;
  return ago_ms === -Infinity || (ago_ms > -CLOCK_JITTER_MS && ago_ms < UNSURE_FOR_MS);
}

/**
 * @param {string} video
 * @param {string} key
 * @returns {Promise<{status: number, wait_ms: number, views: number}>} status 0: no answer came
 */
async function post(video, key) {
  try {
    const answer = await fetch(`/api/videos/${encodeURIComponent(video)}/views`, {
      method: 'POST',
      headers: { 'Idempotency-Key': key },
      keepalive: true, // leaving the page must not cut it
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const wait_ms = 1000 * Math.min(60, Number(answer.headers.get('Retry-After')) || 0);
    const views = answer.ok ? Number((await answer.json()).views) : NaN;
    return { status: answer.status, wait_ms, views };
  } catch {
    return { status: 0, wait_ms: 0, views: NaN };
  }
}
