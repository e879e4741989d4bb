// What the node reported in the last minutes, as far as the plot needs it: each node's lag and slots.

/** @import { Member } from './cluster-state.js' */

export const WINDOW_S = 300;
// A moment further back than this says nothing of the moment looked at.
const NEAR_MS = 5_000;

/**
 * @typedef {object} Point one node at one moment
 * @property {number | null} lag rows that it lacks; null where nobody can tell
 * @property {number} slots
 * @property {Member['state'] | 'gone'} state `gone`: only its slots are left
 *
 * @typedef {{at_ms: number, nodes: Map<string, Point>}} Moment
 * @typedef {Pick<Member, 'node' | 'state' | 'behind' | 'ahead'>} PlottedMember
 * @typedef {{members: PlottedMember[], slots: {slot: string}[]}} PlottedState
 * @typedef {ReturnType<typeof openHistory>} History
 */

export function openHistory() {
  /** @type {Moment[]} */
  let moments = [];
  return {
    /**
     * @param {number} at_ms
     * @param {PlottedState} state as much of a ClusterState as the plot needs
     */
    add(at_ms, state) {
      moments.push({ at_ms, nodes: points(state) });
      moments = moments.filter((moment) => moment.at_ms > at_ms - WINDOW_S * 1000);
    },
    all: () => moments,
    /** Every node that was there in the last minutes, in order. */
    names: () => [...new Set(moments.flatMap(({ nodes }) => [...nodes.keys()]))].sort(),
    /**
     * The last moment not after `at_ms`, if one is near it.
     *
     * @param {number} at_ms
     */
    at(at_ms) {
      const moment = moments.findLast((one) => one.at_ms <= at_ms);
      return moment && at_ms - moment.at_ms < NEAR_MS ? moment : undefined;
    },
  };
}

/** @param {PlottedState} state */
export function points(state) {
  /** @type {Map<string, Point>} */
  const nodes = new Map();
  const point = (/** @type {string} */ node) => {
    const found = nodes.get(node) ?? { lag: null, slots: 0, state: 'gone' };
    nodes.set(node, found);
    return found;
  };
  for (const member of state.members) {
    const one = point(member.node);
    // When two processes have one name, the plot shows the one that lags more.
    const lag = member.state === 'here' ? ownLag(state.members) : member.behind;
    if (lag !== null) one.lag = Math.max(one.lag ?? 0, lag);
    one.state = member.state;
  }
  for (const { slot } of state.slots) point(slot.split('@')[0]).slots += 1;
  return nodes;
}

/**
 * What this node itself lacks: the most that any other node claims beyond it.
 *
 * @param {PlottedMember[]} members
 */
function ownLag(members) {
  return Math.max(0, ...members.map((member) => member.ahead ?? 0));
}
