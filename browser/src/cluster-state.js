// What /api/cluster returns: this file is only types. PROTOCOL.md says what each field means.

/**
 * @typedef {object} Member
 * @property {string} node
 * @property {string | null} process
 * @property {'here' | 'connected' | 'heard' | 'missing'} state
 * @property {number | null} since
 * @property {string | null} url
 * @property {number | null} behind
 * @property {number | null} ahead
 *
 * @typedef {object} SlotState
 * @property {string} slot
 * @property {'open' | 'closed' | 'lifting'} state
 * @property {number | null} since
 * @property {number} videos
 * @property {number} views
 * @property {number} upto
 * @property {{[node: string]: number}} held
 *
 * @typedef {object} Fold
 * @property {string} node
 * @property {number} generation
 * @property {number} slots
 * @property {{kind: string, node: string, amount: number, text: string}[]} obstacles
 *
 * @typedef {object} ClusterState
 * @property {string} node
 * @property {string} state
 * @property {string | null} slot
 * @property {number} time
 * @property {Member[]} members
 * @property {SlotState[]} slots
 * @property {{node: string, generation: number, views: number}[]} folded
 * @property {{videos: number, views: number}} base
 * @property {Fold[]} folds
 * @property {string[]} advice
 */

export {};
