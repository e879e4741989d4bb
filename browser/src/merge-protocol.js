// The messages between pages and the worker that merges: this file is only types.
//
// The name of the worker contains the build, so both ends always know the same messages.

/** @import { StorageKind, Stored } from './storage/port.js' */

/**
 * A state as `ratchet` writes it.
 *
 * @typedef {object} State
 * @property {number} base
 * @property {{[slot: string]: number}} slots
 * @property {{[node: string]: number}} folded
 *
 * What `ratchet.passive.merge` returns, parsed.
 *
 * @typedef {State & {video: string, value: number, discarded: string[]}} Outcome
 *   `discarded`: the parts of the stored state (`counter`, `folded`) that were garbage
 *
 * One merge: its outcome, and what went in.
 *
 * @typedef {Outcome & {before: Stored, received: string, node: string, storage: StorageKind}} Merged
 *   `before`: what was stored; `received`: the snapshot's text, empty when only what is stored was
 *   read; `node`: who sent it; `storage`: where the outcome is stored
 */

/**
 * From a page to the worker. A page first sends `watch` for each of its videos.
 *
 * @typedef {{type: 'watch', video: string, storage: StorageKind}
 *   | {type: 'unwatch', video: string}
 *   | MergeRequest
 *   | {type: 'use-storage', storage: StorageKind}
 *   | {type: 'clear'}
 *   | {type: 'replace', id: number, video: string, state: Stored}
 *   | StorageAnswer
 *   | {type: 'life', life: string}
 *   | {type: 'bye'}} FromPage
 *   `life`: the lock that the page holds while it lives (see life.js)
 *
 * @typedef {{type: 'merge', video: string, received: string, node: string}} MergeRequest
 *
 * @typedef {{type: 'storage-answer', id: number, stored?: Stored, why?: string}} StorageAnswer
 *   `why`: local storage is refused
 */

/**
 * From the worker to a page.
 *
 * @typedef {{type: 'new-worker'}
 *   | {type: 'life', life: string}
 *   | {type: 'ready'}
 *   | {type: 'failed', why: string}
 *   | {type: 'merged', merged: Merged}
 *   | {type: 'garbage', video: string, why: string}
 *   | {type: 'storage', kind: StorageKind, why: string}
 *   | {type: 'cleared'}
 *   | {type: 'replaced', id: number, why: string}
 *   | StorageRequest} FromWorker
 *   `new-worker`: this worker knows no page yet, so pages introduce themselves again; `failed`: it
 *   will never merge; `garbage`: the received text was no snapshot; `storage`: another kind is used
 *   from now on; `replaced`: the response to `replace`; `why` is empty if it succeeded
 *
 * @typedef {{type: 'storage-request', id: number, video: string}
 *   & ({operation: 'load' | 'forget'} | {operation: 'save', stored: Stored})} StorageRequest
 *   a request to the page's local storage, which a worker cannot reach
 */

export {};
