// The ways on which snapshots come: each resolves or rejects when the connection has ended.

import { pause } from './backoff.js';

const CONNECT_MS = 5_000;
const POLL_MS = 3_000;
// A dead network closes no connection, so we give up one that is silent for this long. Reconnecting
// brings a fresh snapshot, and costs the server one handshake in five minutes for each idle watcher.
const SILENCE_MS = 5 * 60_000;

/**
 * @typedef {'websocket' | 'events' | 'polling'} Transport
 *
 * @typedef {object} Connection one connection, or one spell of polling
 * @property {string} site the origin of the counting site; empty for the page's own
 * @property {readonly string[]} videos at least one
 * @property {string} node which node to ask the balancer for; empty for any
 * @property {(text: string, node?: string) => void} received
 * @property {number | null} stay_ms how long it stays before it ends itself; null: as long as snapshots
 *   come
 * @property {AbortSignal} signal ends it at once
 *
 * @typedef {[Transport, (connection: Connection) => Promise<void>]} Way
 */

/**
 * @param {Connection} connection
 * @returns {Promise<void>}
 */
export function byWebSocket({ videos, node, received, signal }) {
  return new Promise((resolve) => {
    const url = new URL(address('', videos, 'live', node), location.href);
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
export function byEvents({ site, videos, node, received, stay_ms, signal }) {
  return new Promise((resolve) => {
    const source = new EventSource(address(site, videos, 'events', node));
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
      if (!connected || stay_ms === null) {
        clearTimeout(timer);
        timer = setTimeout(end, stay_ms ?? SILENCE_MS);
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
export async function byPolling({ site, videos, node, received, stay_ms, signal }) {
  const end_ms = performance.now() + (stay_ms ?? SILENCE_MS);
  while (performance.now() < end_ms && !signal.aborted) {
    let delivered = false;
    for (const video of videos) {
      if (signal.aborted) return;
      const response = await fetch(address(site, [video], 'snapshot', node), {
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
 * @param {string} site
 * @param {readonly string[]} videos
 * @param {'live' | 'events' | 'snapshot'} resource
 * @param {string} node
 */
function address(site, [video, ...others], resource, node) {
  const query = new URLSearchParams({ with: 'node', ...(node && { node }) });
  for (const other of others) query.append('also', other);
  return `${site}/api/videos/${video}/${resource}?${query}`;
}
