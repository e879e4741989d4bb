// What the worker asks of a storage: this file is only types, the port that every adapter fills.

/**
 * The adapters, and what a viewer can choose: where the merged states are stored.
 *
 * @typedef {'indexeddb' | 'localstorage' | 'off'} StorageKind
 *
 * What is stored of a video: its base and slots, and the `folded` that they stand on; both as the
 * text that `ratchet` wrote. Empty for nothing. An adapter hands on as it is whatever else it finds
 * there: `ratchet` tells garbage from a state.
 *
 * @typedef {{counter: string, folded: string}} Stored
 *
 * What is to be stored instead. `foldedLost`: the stored `folded` was garbage. Counters that stood
 * on it are not safe to merge any more, those of other videos too, and must be forgotten.
 *
 * @typedef {Stored & {foldedLost: boolean}} Changed
 *
 * @typedef {object} StoragePort
 * @property {(video: string, change: (stored: Stored) => Changed) => Promise<void>} update
 *   Reads, changes and writes as one step: no other page's write falls between. `change` is
 *   synchronous; when it throws, nothing is written and update rejects. Resolves when it is
 *   written. A counter is never found next to a `folded` older than the one that it was written
 *   with: it could count a folded slot twice.
 * @property {() => Promise<void>} clear forgets every video and `folded`
 */

export {};
