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

/**
 * @typedef {object} Outbox
 * @property {(video: string) => void} count sends one view of `video`
 * @property {() => void} resume sends the views that an earlier page could not send
 *
 * @typedef {object} OutboxEvents
 * @property {(video: string, views: number) => void} counted
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
  ) => void new View(video, key, unsure_since_ms, keep, events, site).send();
  return {
    count: (video) => send(video, uuid7(Date.now())),
    resume() {
      for (const name of keep.keys()) {
        if (!name.startsWith(UNSENT)) continue;
        const key = name.slice(UNSENT.length);
        send((keep.read(name) ?? '').split(' ')[0], key, made_ms(key));
      }
    },
  };
}

/** One view, until it is counted, refused or given up. Its stored text is `video [unsure_since_ms]`. */
class View {
  #video;
  #key;
  /** When it was first sent without a sure answer; Infinity while it surely was not counted. */
  #unsure_since_ms;
  #keep;
  #events;
  #site;
  #lastLine = '';

  /**
   * @param {string} video
   * @param {string} key
   * @param {number} unsure_since_ms
   * @param {Keep} keep
   * @param {OutboxEvents} events
   * @param {string} site
   */
  constructor(video, key, unsure_since_ms, keep, events, site) {
    this.#video = video;
    this.#key = key;
    this.#unsure_since_ms = unsure_since_ms;
    this.#keep = keep;
    this.#events = events;
    this.#site = site;
  }

  async send() {
    const name = UNSENT + this.#key;
    const isKept = this.#keep.read(name) !== null || this.#keep.write(name, this.#video);
    const backoff = new Backoff();
    for (;;) {
      // Another page may be sending the same view, and this page may have slept meanwhile.
      if (isKept && this.#keep.kind !== 'off' && !this.#readAgain()) {
        this.#log('another page has sent it');
        return;
      }
      if (!maySend(this.#unsure_since_ms)) {
        this.#end('given up, its key is too old to be sent again safely');
        return;
      }
      const sent_ms = Date.now();
      const { status, from_node, wait_ms, views } = await post(this.#site, this.#video, this.#key);
      if (status === 200) {
        this.#end(`counted, ${views} views`);
        this.#events.counted(this.#video, views);
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

  /** Reads what another page has stored of this view. Returns false if that page has settled it. */
  #readAgain() {
    const kept = this.#keep.read(UNSENT + this.#key);
    if (kept === null) return false;
    const since_ms = Number(kept.split(' ')[1] ?? Infinity);
    this.#unsure_since_ms = Math.min(this.#unsure_since_ms, since_ms);
    return true;
  }

  /** @param {number} sent_ms when it was sent without a sure answer */
  #noteUnsure(sent_ms) {
    if (sent_ms >= this.#unsure_since_ms) return;
    this.#unsure_since_ms = sent_ms;
    this.#keep.write(UNSENT + this.#key, `${this.#video} ${sent_ms}`);
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
 * @returns {Promise<{status: number, from_node: boolean, wait_ms: number, views: number}>}
 *   `status` 0: no answer came; `from_node`: a node refuses it, and not a proxy on the way
 */
async function post(site, video, key) {
  try {
    const response = await fetch(`${site}/api/videos/${encodeURIComponent(video)}/views`, {
      method: 'POST',
      headers: { 'Idempotency-Key': key },
      keepalive: true, // leaving the page must not cancel it
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const wait_ms = 1000 * Math.min(60, Number(response.headers.get('Retry-After')) || 0);
    const views = response.ok ? Number((await response.json()).views) : NaN;
    const from_node = response.headers.has('X-Ratchet-Node');
    return { status: response.status, from_node, wait_ms, views };
  } catch {
    return { status: 0, from_node: false, wait_ms: 0, views: NaN };
  }
}
