// Follows one video's snapshots: over a websocket, else server-sent events, else by asking again.
//
// A way that never delivered gives way to the next one; after one that did deliver, the best is
// tried again. The fallbacks end themselves: soon at first, for a node may just have been down, and
// ever later, for a websocket may be blocked for good. A page that nobody sees, and one whose
// viewer has paused it, follows nothing at all; a machine that wakes up asks anew at once.

import { Backoff, pause } from './backoff.js';
import { onAttention } from './attention.js';

const CONNECT_MS = 5_000;
const POLL_MS = 3_000;
const STAY_MS = 2_000;
const LONGEST_STAY_MS = 5 * 60_000;
// A dead network closes no socket. Reconnecting brings a fresh snapshot; silence this long costs
// a server one handshake an idle watcher in five minutes.
const SILENCE_MS = 5 * 60_000;
// A socket that lasted this long was a good one: the next failure starts counting afresh. One that
// a node cuts off at once, again and again, must not.
const LASTED_MS = 5_000;

/**
 * @typedef {object} Tells
 * @property {(text: string, node: string, way: string) => void} heard a snapshot's text as it came
 * @property {(state: 'connecting' | 'paused' | 'unseen', way: string) => void} lost the way has
 *   ended (none yet: empty), and why nothing is heard now
 *
 * @typedef {object} Following
 * @property {(paused: boolean) => void} pause by the viewer
 * @property {(node: string) => void} pin asks the balancer for this node from now on; '' for any
 * @property {() => void} stop for good
 *
 * @typedef {object} Call one connection, or one round of asking
 * @property {string} video
 * @property {string} node the one to ask for, if any
 * @property {(text: string, node?: string) => void} hear
 * @property {number} stay_ms after which a fallback ends itself
 * @property {AbortSignal} signal ends it at once
 */

/** @type {[string, (call: Call) => Promise<void>][]} each resolves or rejects when it has ended */
const WAYS = [
  ['websocket', byWebSocket],
  ['events', byEvents],
  ['polling', byPolling],
];

/**
 * Follows `video` until it is stopped.
 *
 * @param {string} video
 * @param {Tells} tells
 * @param {string} [node] which one to ask the balancer for at first
 * @returns {Following}
 */
export function follow(video, tells, node = '') {
  const backoff = new Backoff();
  let at = 0;
  let stay_ms = STAY_MS;
  let paused = false;
  let unseen = false;
  let stopped = false;
  let now = new AbortController();
  let goOn = () => {};

  /** Ends the connection, or the wait for one, and begins with the best way again. */
  const anew = () => {
    backoff.reset();
    at = 0;
    goOn();
    now.abort();
  };
  const attention = onAttention({
    seen(seen) {
      if (unseen === !seen) return;
      unseen = !seen;
      anew();
    },
    woke: anew,
  });

  const run = async () => {
    while (!stopped) {
      now = new AbortController();
      if (paused || unseen) {
        tells.lost(paused ? 'paused' : 'unseen', '');
        await new Promise((resolve) => (goOn = () => resolve(undefined)));
        continue;
      }
      const tried = at;
      const delivered = await connect(tried);
      if (stopped) return;
      if (!paused && !unseen) tells.lost('connecting', WAYS[tried][0]);
      if (now.signal.aborted) continue;
      at = delivered ? 0 : (tried + 1) % WAYS.length;
      await pause(backoff.next_ms(), now.signal);
    }
  };

  /** One way, until it ends; whether it ever delivered. @param {number} tried */
  const connect = async (tried) => {
    const [name, way] = WAYS[tried];
    const since_ms = performance.now();
    const { signal } = now;
    let delivered = false;
    /** @type {Call['hear']} */
    const hear = (text, from) => {
      if (signal.aborted) return;
      delivered = true;
      tells.heard(text, from ?? nodeIn(text), name);
    };
    try {
      await way({ video, node, hear, stay_ms, signal });
    } catch {
      // Not to be had here (a policy, an extension, an old browser): it has ended all the same.
    }
    if (delivered) {
      if (tried > 0 || performance.now() - since_ms > LASTED_MS) backoff.reset();
      stay_ms = tried > 0 ? Math.min(LONGEST_STAY_MS, stay_ms * 2) : STAY_MS;
    }
    return delivered;
  };

  void run();
  return {
    pause(wanted) {
      paused = wanted;
      anew();
    },
    pin(wanted) {
      node = wanted;
      anew();
    },
    stop() {
      stopped = true;
      attention.stop();
      anew();
    },
  };
}

/** @param {Call} call @returns {Promise<void>} */
function byWebSocket({ video, node, hear, signal }) {
  return new Promise((resolve) => {
    const url = new URL(address(video, 'live', node), location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    let timer = setTimeout(end, CONNECT_MS);
    function end() {
      clearTimeout(timer);
      socket.onmessage = socket.onclose = null;
      socket.close();
      resolve();
    }
    signal.addEventListener('abort', end);
    socket.onclose = end;
    socket.onmessage = ({ data }) => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      hear(String(data));
    };
  });
}

/** @param {Call} call @returns {Promise<void>} */
function byEvents({ video, node, hear, stay_ms, signal }) {
  return new Promise((resolve) => {
    const source = new EventSource(address(video, 'events', node));
    let connected = false;
    let timer = setTimeout(end, CONNECT_MS);
    function end() {
      clearTimeout(timer);
      source.close(); // its own reconnecting knows no other way and no back-off
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
      hear(data);
    };
  });
}

/** @param {Call} call @returns {Promise<void>} */
async function byPolling({ video, node, hear, stay_ms, signal }) {
  for (
    const since_ms = performance.now();
    performance.now() - since_ms < stay_ms && !signal.aborted;
  ) {
    const answer = await fetch(address(video, 'snapshot', node), {
      cache: 'no-store',
      signal: AbortSignal.timeout(CONNECT_MS),
    });
    if (!answer.ok) return;
    hear(await answer.text(), answer.headers.get('X-Ratchet-Node') ?? '');
    await pause(POLL_MS * (0.5 + Math.random()), signal);
  }
}

/**
 * @param {string} video
 * @param {string} call
 * @param {string} node
 */
function address(video, call, node) {
  return `/api/videos/${video}/${call}?${new URLSearchParams({ with: 'node', ...(node && { node }) })}`;
}

/** @param {string} text */
function nodeIn(text) {
  try {
    return String(JSON.parse(text).node ?? '');
  } catch {
    return '';
  }
}
