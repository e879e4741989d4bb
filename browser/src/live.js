// Follows one video's snapshots: over a websocket, else server-sent events, else by asking again.
//
// A way that never delivered gives way to the next one; after one that did deliver, the best is
// tried again. The fallbacks end themselves: soon at first, for a node may just have been down, and
// ever later, for a websocket may be blocked for good.
'use strict';

import { Backoff, pause } from './backoff.js';

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
 * @typedef {(text: string, node: string, way: string) => void} Heard a snapshot's text as it came
 * @typedef {(video: string, hear: (text: string, node?: string) => void, stay_ms: number)
 *   => Promise<void>} Way resolves or rejects when it has ended, for whatever reason; a fallback
 *   ends itself after stay_ms
 */

/** @type {[string, Way][]} */
const WAYS = [
  ['websocket', byWebSocket],
  ['events', byEvents],
  ['polling', byPolling],
];

/**
 * Follows `video` for as long as the page lives.
 *
 * @param {string} video
 * @param {Heard} heard
 * @param {(way: string) => void} lost the way has ended; another is tried soon
 */
export async function follow(video, heard, lost) {
  const backoff = new Backoff();
  let stay_ms = STAY_MS;
  for (let at = 0; ; ) {
    const [name, way] = WAYS[at];
    const since_ms = performance.now();
    let delivered = false;
    /** @type {(text: string, node?: string) => void} */
    const hear = (text, node) => {
      delivered = true;
      heard(text, node ?? nodeIn(text), name);
    };
    try {
      await way(video, hear, stay_ms);
    } catch {
      // Not to be had here (a policy, an extension, an old browser): it has ended all the same.
    }
    lost(name);
    if (delivered) {
      if (at > 0 || performance.now() - since_ms > LASTED_MS) backoff.reset();
      stay_ms = at > 0 ? Math.min(LONGEST_STAY_MS, stay_ms * 2) : STAY_MS;
    }
    at = delivered ? 0 : (at + 1) % WAYS.length;
    await pause(backoff.next_ms());
  }
}

/** @type {Way} */
function byWebSocket(video, hear) {
  return new Promise((resolve) => {
    const url = new URL(`/api/videos/${video}/live?with=node`, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    let timer = setTimeout(end, CONNECT_MS);
    function end() {
      clearTimeout(timer);
      socket.onmessage = socket.onclose = null;
      socket.close();
      resolve();
    }
    socket.onclose = end;
    socket.onmessage = ({ data }) => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      hear(String(data));
    };
  });
}

/** @type {Way} */
function byEvents(video, hear, stay_ms) {
  return new Promise((resolve) => {
    const source = new EventSource(`/api/videos/${video}/events?with=node`);
    let connected = false;
    let timer = setTimeout(end, CONNECT_MS);
    function end() {
      clearTimeout(timer);
      source.close(); // its own reconnecting knows no other way and no back-off
      resolve();
    }
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

/** @type {Way} */
async function byPolling(video, hear, stay_ms) {
  for (const since_ms = performance.now(); performance.now() - since_ms < stay_ms; ) {
    const answer = await fetch(`/api/videos/${video}/snapshot`, {
      cache: 'no-store',
      signal: AbortSignal.timeout(CONNECT_MS),
    });
    if (!answer.ok) return;
    hear(await answer.text(), answer.headers.get('X-Ratchet-Node') ?? '');
    await pause(POLL_MS * (0.5 + Math.random()));
  }
}

/** @param {string} text */
function nodeIn(text) {
  try {
    return String(JSON.parse(text).node ?? '');
  } catch {
    return '';
  }
}
