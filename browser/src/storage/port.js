// What the worker asks of a storage: this file is only types, the port that every adapter fills.

/**
 * What is stored: per video its base and slots, and the `folded` they stand on; both as the text
 * that `ratchet` wrote. Empty for nothing. Whatever else is found there is handed on as it is:
 * `ratchet` tells garbage from state.
 *
 * @typedef {{counter: string, folded: string}} Stored
 *
 * What is to be stored instead. `foldedLost`: the stored `folded` was garbage. Whatever counters
 * stood on it are not safe to merge any more, those of other videos too, and must be forgotten.
 *
 * @typedef {Stored & {foldedLost: boolean}} Changed
 *
 * @typedef {object} StoragePort
 * @property {(video: string, change: (stored: Stored) => Changed) => Promise<void>} update
 *   Reads, changes and writes as one step: no other tab's write falls between. `change` is
 *   synchronous; when it throws, nothing is written and update rejects. Resolves when it is
 *   written. A counter is never found next to a `folded` older than the one it was written with:
 *   it could count a folded slot twice.
 * @property {() => Promise<void>} clear forgets every video and `folded`
 */

export {};
