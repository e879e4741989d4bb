// Follows videos' snapshots, all over one connection: over a websocket, else server-sent events, else by polling.
//
// If a transport delivers nothing, the next one is tried. When a transport that has delivered ends,
// the best one is tried again. A fallback ends by itself: soon at first, because the node may only
// have been down for a moment; then ever later, because websockets may be blocked for good. A page
// that nobody sees, or that its viewer has paused, follows nothing. A machine that wakes up
// reconnects at once.

import { onAttention } from './attention.js';
import { Backoff, pause } from './backoff.js';
import { byEvents, byPolling, byWebSocket } from './transports.js';

const STAY_MS = 2_000;
const LONGEST_STAY_MS = 5 * 60_000;
// After a socket that lasted this long, the back-off starts from the beginning. It must not after a
// socket that a node cuts off at once, or a page would reconnect again and again.
const LASTED_MS = 5_000;

/**
 * @import { Transport, Way } from './transports.js'
 *
 * @typedef {'connecting' | 'paused' | 'unseen'} Silence why no snapshot comes
 *
 * @typedef {object} LiveEvents
 * @property {(text: string, node: string, transport: Transport) => void} received a snapshot's text
 *   as it came
 * @property {(why: Silence, transport: Transport | '') => void} lost the connection has ended;
 *   `transport`: the one that ended, empty when there was none
 *
 * @typedef {object} Live
 * @property {(paused: boolean) => void} pause by the viewer
 * @property {(node: string) => void} pin asks the balancer for this node from now on; '' for any
 * @property {() => void} stop for good
 */

/** For a page of the site itself, the best first. @type {readonly Way[]} */
const WAYS = [
  ['websocket', byWebSocket],
  ['events', byEvents],
  ['polling', byPolling],
];
const OWN_SITE = { site: '', ways: WAYS };

/**
 * Follows `videos` until it is stopped.
 *
 * @param {readonly string[]} videos at least one
 * @param {LiveEvents} events
 * @param {string} [node] which one to ask the balancer for at first
 * @param {object} [how] for a page of another site
 * @param {string} how.site the origin of the counting site
 * @param {readonly Way[]} how.ways the best first
 * @param {number} [how.unheard_ms] the longest pause between two tries while nothing has ever come
 * @returns {Live & {change: (videos: readonly string[]) => void}} `change`: follow these instead
 */
export function follow(videos, events, node = '', how = OWN_SITE) {
  const follower = new Follower(videos, events, node, how);
  void follower.run();
  return follower;
}

class Follower {
  #videos;
  #events;
  #node;
  #how;
  #isHeard = false;
  #backoff = new Backoff();
  /** The index in `how.ways` of the one to try next. */
  #at = 0;
  #stay_ms = STAY_MS;
  #paused = false;
  #unseen = false;
  #stopped = false;
  #now = new AbortController();
  #resume = () => {};
  #attention;

  /**
   * @param {readonly string[]} videos
   * @param {LiveEvents} events
   * @param {string} node
   * @param {{site: string, ways: readonly Way[], unheard_ms?: number}} how
   */
  constructor(videos, events, node, how) {
    this.#videos = videos;
    this.#events = events;
    this.#node = node;
    this.#how = how;
    this.#attention = onAttention({
      seen: (seen) => {
        if (this.#unseen === !seen) return;
        this.#unseen = !seen;
        this.#anew();
      },
      woke: () => this.#anew(),
    });
  }

  async run() {
    while (!this.#stopped) {
      this.#now = new AbortController();
      if (this.#isIdle()) await this.#idle();
      else await this.#connectOnce();
    }
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.#paused = paused;
    this.#anew();
  }

  /** @param {string} node */
  pin(node) {
    this.#node = node;
    this.#anew();
  }

  /** @param {readonly string[]} videos */
  change(videos) {
    this.#videos = videos;
    this.#now.abort(); // and connect again, by the same transport
  }

  stop() {
    this.#stopped = true;
    this.#attention.stop();
    this.#anew();
  }

  /** Ends the connection, or the wait for one, and starts again with the best transport. */
  #anew() {
    this.#backoff.reset();
    this.#at = 0;
    this.#resume();
    this.#now.abort();
  }

  #isIdle() {
    return this.#paused || this.#unseen;
  }

  /** Connects to nothing until something has changed. */
  async #idle() {
    this.#events.lost(this.#paused ? 'paused' : 'unseen', '');
    await new Promise((resolve) => {
      this.#resume = () => resolve(undefined);
    });
  }

  async #connectOnce() {
    const { signal } = this.#now;
    const tried = this.#at;
    const delivered = await this.#connect(tried, signal);
    if (this.#stopped) return;
    if (!this.#isIdle()) this.#events.lost('connecting', this.#how.ways[tried][0]);
    if (signal.aborted) return;
    this.#at = delivered ? 0 : (tried + 1) % this.#how.ways.length;
    const longest_ms = this.#isHeard ? undefined : this.#how.unheard_ms;
    await pause(this.#backoff.next_ms(longest_ms), signal);
  }

  /**
   * One transport, until it ends.
   *
   * @param {number} tried its index in `how.ways`
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether it ever delivered
   */
  async #connect(tried, signal) {
    const [transport, connect] = this.#how.ways[tried];
    const since_ms = performance.now();
    let delivered = false;
    try {
      await connect({
        site: this.#how.site,
        videos: this.#videos,
        node: this.#node,
        received: (text, node) => {
          if (signal.aborted) return;
          delivered = true;
          this.#isHeard = true;
          this.#events.received(text, node ?? nodeIn(text), transport);
        },
        stay_ms: tried > 0 ? this.#stay_ms : null,
        signal,
      });
    } catch {
      // A policy, an extension or an old browser refuses the transport. That is an end, too.
    }
    if (delivered) {
      const isFallback = tried > 0;
      if (isFallback || performance.now() - since_ms > LASTED_MS) this.#backoff.reset();
      this.#stay_ms = isFallback ? Math.min(LONGEST_STAY_MS, this.#stay_ms * 2) : STAY_MS;
    }
    return delivered;
  }
}

/**
 * The node that sent a snapshot; empty if the snapshot does not name it.
 *
 * @param {string} text
 */
function nodeIn(text) {
  try {
    return String(JSON.parse(text).node ?? '');
  } catch {
    return '';
  }
}
