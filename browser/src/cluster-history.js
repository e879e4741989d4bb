// What the node said in the last minutes, as far as the plot needs it: per node its lag and slots.

export const WINDOW_S = 300;

/**
 * @typedef {object} Point one node at one moment
 * @property {number | null} lag rows that it lacks; null where nobody can tell
 * @property {number} slots
 * @property {string} state as in the answer, or 'gone': only its slots are left
 */
/** @typedef {import('./cluster-state.js').ClusterState} ClusterState */
/** @typedef {{at_ms: number, nodes: Map<string, Point>}} Moment */

export function history() {
  /** @type {Moment[]} */
  let moments = [];
  return {
    /**
     * @param {number} at_ms
     * @param {ClusterState} state
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
      return moment && at_ms - moment.at_ms < 5_000 ? moment : undefined;
    },
  };
}

/** @param {ClusterState} state */
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
    // Of two processes under one name, the one that lags more.
    const lag = member.state === 'here' ? lacking(state.members) : member.behind;
    if (lag !== null) one.lag = Math.max(one.lag ?? 0, lag);
    one.state = member.state;
  }
  for (const { slot } of state.slots) point(slot.split('@')[0]).slots += 1;
  return nodes;
}

/**
 * What this node itself lacks: of all that others claim, the most.
 *
 * @param {import('./cluster-state.js').Member[]} members
 */
function lacking(members) {
  return Math.max(0, ...members.map((member) => member.ahead ?? 0));
}
