// What the worker needs from a storage: the port that every adapter implements. It is only types.

/**
 * The adapters: where the merged states are stored. A viewer can choose one.
 *
 * @typedef {'indexeddb' | 'localstorage' | 'off'} StorageKind
 *
 * What is stored of a video: its base and slots, and the `folded` that they are based on. Both are
 * texts that `ratchet` wrote, or empty. If an adapter finds any other text, it passes it on
 * unchanged: `ratchet` tells garbage from a state.
 *
 * @typedef {{counter: string, folded: string}} Stored
 *
 * What to store instead. `foldedLost`: the stored `folded` was garbage. All counters that were
 * based on it, also those of other videos, are not safe to merge any more. The adapter must forget
 * them.
 *
 * @typedef {Stored & {foldedLost: boolean}} Changed
 *
 * @typedef {object} StoragePort
 * @property {(video: string, change: (stored: Stored) => Changed) => Promise<void>} update
 *   Reads, changes and writes as one step: no other page's write comes in between. `change` is
 *   synchronous; when it throws, nothing is written and update rejects. Resolves when the change is
 *   written. A counter must never be read together with a `folded` that is older than the one that it
 *   was written with: then it could count a folded slot twice.
 * @property {() => Promise<void>} clear forgets every video, and `folded`
 */

export {};
