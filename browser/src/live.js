// Follows videos' snapshots, all over one connection: over a websocket, else server-sent events, else by polling.
//
// If a transport delivers nothing, the next one is tried. When a transport that has delivered ends,
// the best one is tried again. A fallback ends by itself: soon at first, because the node may only
// have been down for a moment; then ever later, because websockets may be blocked for good. A page
// that nobody sees, or that its viewer has paused, follows nothing. A machine that wakes up
// reconnects at once.

import { onAttention } from './attention.js';
import { Backoff, pause } from './backoff.js';

const CONNECT_MS = 5_000;
const POLL_MS = 3_000;
const STAY_MS = 2_000;
const LONGEST_STAY_MS = 5 * 60_000;
// A dead network closes no socket, so we give up a socket that is silent for this long.
// Reconnecting brings a fresh snapshot, and costs the server one handshake in five minutes for each
// idle watcher.
const SILENCE_MS = 5 * 60_000;
// After a socket that lasted this long, the back-off starts from the beginning. It must not after a
// socket that a node cuts off at once, or a page would reconnect again and again.
const LASTED_MS = 5_000;

/**
 * @typedef {'websocket' | 'events' | 'polling'} Transport
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
 *
 * @typedef {object} Connection one connection, or one spell of polling
 * @property {readonly string[]} videos at least one
 * @property {string} node which node to ask the balancer for; empty for any
 * @property {(text: string, node?: string) => void} received
 * @property {number} stay_ms how long a fallback stays before it ends itself
 * @property {AbortSignal} signal ends it at once
 */

/**
 * Each resolves or rejects when the connection has ended.
 *
 * @type {[Transport, (connection: Connection) => Promise<void>][]}
 */
const TRANSPORTS = [
  ['websocket', byWebSocket],
  ['events', byEvents],
  ['polling', byPolling],
];

/**
 * Follows `videos` until it is stopped.
 *
 * @param {readonly string[]} videos at least one
 * @param {LiveEvents} events
 * @param {string} [node] which one to ask the balancer for at first
 * @returns {Live & {change: (videos: readonly string[]) => void}} `change`: follow these instead
 */
export function follow(videos, events, node = '') {
  const follower = new Follower(videos, events, node);
  void follower.run();
  return follower;
}

class Follower {
  #videos;
  #events;
  #node;
  #backoff = new Backoff();
  /** The index in TRANSPORTS of the one to try next. */
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
   */
  constructor(videos, events, node) {
    this.#videos = videos;
    this.#events = events;
    this.#node = node;
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
    if (!this.#isIdle()) this.#events.lost('connecting', TRANSPORTS[tried][0]);
    if (signal.aborted) return;
    this.#at = delivered ? 0 : (tried + 1) % TRANSPORTS.length;
    await pause(this.#backoff.next_ms(), signal);
  }

  /**
   * One transport, until it ends.
   *
   * @param {number} tried its index in TRANSPORTS
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether it ever delivered
   */
  async #connect(tried, signal) {
    const [transport, connect] = TRANSPORTS[tried];
    const since_ms = performance.now();
    let delivered = false;
    try {
      await connect({
        videos: this.#videos,
        node: this.#node,
        received: (text, node) => {
          if (signal.aborted) return;
          delivered = true;
          this.#events.received(text, node ?? nodeIn(text), transport);
        },
        stay_ms: this.#stay_ms,
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
 * @param {Connection} connection
 * @returns {Promise<void>}
 */
function byWebSocket({ videos, node, received, signal }) {
  return new Promise((resolve) => {
    const url = new URL(address(videos, 'live', node), location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    let timer = setTimeout(end, CONNECT_MS);
    function end() {
      clearTimeout(timer);
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
      resolve();
    }
    signal.addEventListener('abort', end);
    socket.onclose = end;
    socket.onmessage = ({ data }) => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      received(String(data));
    };
  });
}

/**
 * @param {Connection} connection
 * @returns {Promise<void>}
 */
function byEvents({ videos, node, received, stay_ms, signal }) {
  return new Promise((resolve) => {
    const source = new EventSource(address(videos, 'events', node));
    let connected = false;
    let timer = setTimeout(end, CONNECT_MS);
    function end() {
      clearTimeout(timer);
      source.close(); // EventSource would reconnect by itself, without our fallbacks and back-off
      resolve();
    }
    signal.addEventListener('abort', end);
    source.onerror = end;
    source.onmessage = ({ data }) => {
      if (!connected) {
        clearTimeout(timer);
        timer = setTimeout(end, stay_ms);
      }
      connected = true;
      received(data);
    };
  });
}

/**
 * @param {Connection} connection
 * @returns {Promise<void>}
 */
async function byPolling({ videos, node, received, stay_ms, signal }) {
  const end_ms = performance.now() + stay_ms;
  while (performance.now() < end_ms && !signal.aborted) {
    let delivered = false;
    for (const video of videos) {
      if (signal.aborted) return;
      const response = await fetch(address([video], 'snapshot', node), {
        cache: 'no-store',
        signal: AbortSignal.timeout(CONNECT_MS),
      });
      if (!response.ok) continue; // the node may not know this video yet
      received(await response.text(), response.headers.get('X-Ratchet-Node') ?? '');
      delivered = true;
    }
    if (!delivered) return;
    await pause(POLL_MS * (0.5 + Math.random()), signal);
  }
}

/**
 * @param {readonly string[]} videos
 * @param {'live' | 'events' | 'snapshot'} resource
 * @param {string} node
 */
function address([video, ...others], resource, node) {
  const query = new URLSearchParams({ with: 'node', ...(node && { node }) });
  for (const other of others) query.append('also', other);
  return `/api/videos/${video}/${resource}?${query}`;
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
