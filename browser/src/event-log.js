// Keeps what has happened on this page, because the debug panel may load after the first events.

/**
 * @import { Silence } from './live.js'
 * @import { Transport } from './transports.js'
 * @import { Kind as LinkKind } from './merge-link.js'
 * @import { Merged } from './merge-protocol.js'
 * @import { StorageKind } from './storage/port.js'
 */

// More than anybody reads; a busy video brings ten a second.
const LONGEST = 500;

/**
 * @typedef {{kind: 'received', text: string, node: string, transport: Transport}
 *   | {kind: 'lost', why: Silence, transport: Transport | ''}
 *   | {kind: 'merged', merged: Merged}
 *   | {kind: 'merge', state: 'ready' | 'failed', why: string, worker: LinkKind, after_ms: number}
 *   | {kind: 'storage', storage: StorageKind, why: string}
 *   | {kind: 'log', line: string}} Happening
 *   `after_ms`: since the page began
 *
 * @typedef {{at_ms: number} & Happening} Event `at_ms`: by the browser's clock
 *
 * @typedef {object} EventLog
 * @property {(happening: Happening) => void} add
 * @property {(listener: (event: Event) => void) => void} listen calls it for each event so far, then
 *   for each new one
 */

/** @returns {EventLog} */
export function openEventLog() {
  /** @type {Event[]} */
  const events = [];
  /** @type {((event: Event) => void)[]} */
  const listeners = [];
  return {
    add(happening) {
      const event = { at_ms: Date.now(), ...happening };
      events.push(event);
      if (events.length > LONGEST) events.shift();
      for (const listener of listeners) listener(event);
    },
    listen(listener) {
      for (const event of events) listener(event);
      listeners.push(listener);
    },
  };
}
