// What /api/cluster returns: this file is only types. PROTOCOL.md says what each field means.

/**
 * @typedef {'well' | 'look' | 'act'} Mood
 *
 * @typedef {{text: string, mood: Mood}} Verdict
 *
 * @typedef {object} Member a process, a name that is missing, or an import
 * @property {string} node
 * @property {string | null} process
 * @property {string | null} url
 * @property {Verdict} how
 * @property {Verdict} it_lacks
 * @property {Verdict} we_lack
 *
 * @typedef {object} Node a name, with all processes that run or ran under it
 * @property {string} node
 * @property {'here' | 'connected' | 'indirect' | 'missing' | 'importing' | 'gone'} state
 * @property {number | null} lacks rows; null when that is not known
 * @property {number} slots
 * @property {Verdict} how
 *
 * @typedef {object} SlotState
 * @property {string} slot
 * @property {number} videos
 * @property {number} views
 * @property {number} said
 * @property {Verdict} how
 * @property {Verdict} holders
 *
 * @typedef {object} Fold
 * @property {string} node
 * @property {string} text
 * @property {Verdict[]} obstacles
 *
 * @typedef {object} Advice
 * @property {string} text
 * @property {string | null} command
 *
 * @typedef {object} ClusterState
 * @property {Verdict} headline
 * @property {string} here
 * @property {Advice[]} to_do
 * @property {Member[]} members
 * @property {Node[]} nodes
 * @property {SlotState[]} slots
 * @property {Fold[]} folds
 * @property {{text: string}[]} folded
 * @property {{text: string}} base
 * @property {{views: number, how: Verdict}} [pending]
 */

export {};
