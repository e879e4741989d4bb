// Views on their way: each is sent with its one key until a node has answered it.
//
// A view outlives its page. Until a node answers it, its key is kept in local storage (if that is
// on), and the next page of this site sends it again. It does no harm if two tabs send it at once,
// because the key is the same.

/** @import { Keep } from './keep.js' */

import { Backoff, pause } from './backoff.js';
import { UNSENT } from './keep.js';
import { made_ms, uuid7 } from './uuid7.js';

// Nodes remember a key for 15 minutes. After that, a view that may have been counted must not be
// sent again: it could count twice. A view that surely was not counted (429, 503) may be sent for ever.
const UNSURE_FOR_MS = 10 * 60_000;
// How far ahead of the clock a key may have been made: two readings can differ by a little.
const CLOCK_JITTER_MS = 60_000;
const ANSWER_MS = 10_000;
// The statuses below 500 after which a node may accept the view later. (404: the clip is new, and only
// other nodes have it yet.) From 500 on, another try always makes sense. So it does after any status
// from a proxy on the way, which uses statuses of its own.
const AGAIN = new Set([404, 408, 425, 429]);
// The view surely was not counted: no node can take it now, or this address has counted too many.
const NOT_COUNTED = new Set([429, 503]);
// Nodes read no larger number of an attempt.
const MOST_ATTEMPTS = 9999;

/**
 * @typedef {object} Outbox
 * @property {(video: string) => void} count sends one view of `video`
 * @property {() => void} resume sends the views that an earlier page could not send
 *
 * @typedef {object} OutboxEvents
 * @property {(video: string, views: number, pending: boolean) => void} counted a node has accepted
 *   the view. `pending`: it counts as soon as nodes that can't be reached have been asked for it.
 * @property {(video: string, status: number) => void} [refused] it will never be counted
 * @property {(line: string) => void} log
 */

/**
 * @param {Keep} keep
 * @param {OutboxEvents} events
 * @param {string} [site] the origin of the counting site, if it is not this page's own
 * @returns {Outbox}
 */
export function openOutbox(keep, events, site = '') {
  const send = (
    /** @type {string} */ video,
    /** @type {string} */ key,
    unsure_since_ms = Infinity,
    attempts = 0,
  ) => void new View(video, key, unsure_since_ms, attempts, keep, events, site).send();
  return {
    count: (video) => send(video, uuid7(Date.now())),
    resume() {
      for (const name of keep.keys()) {
        if (!name.startsWith(UNSENT)) continue;
        const key = name.slice(UNSENT.length);
        const { video, attempts } = parse(keep.read(name) ?? '');
        send(video, key, made_ms(key), attempts);
      }
    },
  };
}

/**
 * A view's stored text: `video unsure_since_ms attempts`. Earlier versions stored no attempts, and often
 * only the video. Those views have been sent, nobody knows how often: take the next attempt for a retry.
 *
 * @param {string} text
 */
function parse(text) {
  const [video, since_ms = Infinity, attempts = 1] = text.split(' ');
  return { video, since_ms: Number(since_ms), attempts: Math.max(1, Number(attempts)) };
}

/** One view, until it is counted, refused or given up. */
class View {
  #video;
  #key;
  /** When it was first sent without a sure answer; Infinity while it surely was not counted. */
  #unsure_since_ms;
  /** How often it was sent. A node asks the others for a view that was sent before. */
  #attempts;
  /** Whether it has been stored. A new view is stored when it is sent. */
  #isKept;
  #keep;
  #events;
  #site;
  #lastLine = '';

  /**
   * @param {string} video
   * @param {string} key
   * @param {number} unsure_since_ms
   * @param {number} attempts
   * @param {Keep} keep
   * @param {OutboxEvents} events
   * @param {string} site
   */
  constructor(video, key, unsure_since_ms, attempts, keep, events, site) {
    this.#video = video;
    this.#key = key;
    this.#unsure_since_ms = unsure_since_ms;
    this.#attempts = attempts;
    this.#keep = keep;
    this.#events = events;
    this.#site = site;
    this.#isKept = keep.read(UNSENT + key) !== null;
  }

  async send() {
    const backoff = new Backoff();
    for (;;) {
      // Another page may be sending the same view, and this page may have slept meanwhile.
      if (!this.#readAgain()) {
        this.#log('another page has sent it');
        return;
      }
      if (!maySend(this.#unsure_since_ms)) {
        this.#end('given up, its key is too old to be sent again safely');
        return;
      }
      // Store it before it is sent: the page may go before the answer comes.
      this.#attempts += 1;
      this.#store();
      const sent_ms = Date.now();
      const sent = post(this.#site, this.#video, this.#key, this.#attempts);
      const { status, from_node, wait_ms, views, pending } = await sent;
      if (status === 200) {
        this.#accepted(views, pending);
        return;
      }
      if (from_node && status < 500 && !AGAIN.has(status)) {
        this.#end(`refused with ${status}`);
        this.#events.refused?.(this.#video, status);
        return;
      }
      if (!NOT_COUNTED.has(status)) this.#noteUnsure(sent_ms);
      this.#log(`${status || 'no answer'}, trying again`);
      await pause(Math.max(wait_ms, backoff.next_ms()));
    }
  }

  /**
   * @param {number} views
   * @param {boolean} pending
   */
  #accepted(views, pending) {
    const fate = pending ? 'pending, it counts once all nodes have been asked for it' : 'counted';
    this.#end(`${fate}, ${views} views`);
    this.#events.counted(this.#video, views, pending);
  }

  /** Reads what another page has stored of this view. Returns false if that page has settled it. */
  #readAgain() {
    if (!this.#isKept || this.#keep.kind === 'off') return true;
    const kept = this.#keep.read(UNSENT + this.#key);
    if (kept === null) return false;
    const { since_ms, attempts } = parse(kept);
    this.#unsure_since_ms = Math.min(this.#unsure_since_ms, since_ms);
    this.#attempts = Math.max(this.#attempts, attempts);
    return true;
  }

  #store() {
    const text = `${this.#video} ${this.#unsure_since_ms} ${this.#attempts}`;
    if (this.#keep.write(UNSENT + this.#key, text)) this.#isKept = true;
  }

  /** @param {number} sent_ms when it was sent without a sure answer */
  #noteUnsure(sent_ms) {
    if (sent_ms >= this.#unsure_since_ms) return;
    this.#unsure_since_ms = sent_ms;
    this.#store();
  }

  /** @param {string} how */
  #end(how) {
    this.#log(how);
    this.#keep.remove(UNSENT + this.#key);
  }

  /** @param {string} text */
  #log(text) {
    if (text !== this.#lastLine) this.#events.log(`view ${this.#key}: ${text}`);
    this.#lastLine = text;
  }
}

/**
 * Whether the view may be sent again. This uses the wall clock, which goes on while the machine
 * sleeps. If the clock has been set back since, the view's age is unknown, so it must not be sent.
 *
 * @param {number} unsure_since_ms
 */
function maySend(unsure_since_ms) {
  const ago_ms = Date.now() - unsure_since_ms;
  return ago_ms === -Infinity || (ago_ms > -CLOCK_JITTER_MS && ago_ms < UNSURE_FOR_MS);
}

/**
 * @param {string} site
 * @param {string} video
 * @param {string} key
 * @param {number} attempt 1 for the first one
 * @returns {Promise<{status: number, from_node: boolean, wait_ms: number, views: number, pending: boolean}>}
 *   `status` 0: no answer came; `from_node`: a node refuses it, and not a proxy on the way
 */
async function post(site, video, key, attempt) {
  /** @type {Record<string, string>} */
  const headers = { 'Idempotency-Key': key };
  if (attempt > 1) headers['Ratchet-Attempt'] = String(Math.min(attempt, MOST_ATTEMPTS));
  try {
    const response = await fetch(`${site}/api/videos/${encodeURIComponent(video)}/views`, {
      method: 'POST',
      headers,
      keepalive: true, // leaving the page must not cancel it
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const wait_ms = 1000 * Math.min(60, Number(response.headers.get('Retry-After')) || 0);
    const { views = NaN, counted = false } = response.ok ? await response.json() : {};
    const from_node = response.headers.has('X-Ratchet-Node');
    const pending = counted === 'pending';
    return { status: response.status, from_node, wait_ms, views: Number(views), pending };
  } catch {
    return { status: 0, from_node: false, wait_ms: 0, views: NaN, pending: false };
  }
}
