// The node's reports of the last minutes, as far as the plot needs them: the state of each name.

/** @import { Node } from './cluster-state.js' */

export const WINDOW_S = 300;
// A report that is older than this does not describe the moment that the slider points at.
const NEAR_MS = 5_000;

/**
 * @typedef {{at_ms: number, nodes: Map<string, Node>}} Moment
 * @typedef {ReturnType<typeof openHistory>} History
 */

export function openHistory() {
  /** @type {Moment[]} */
  let moments = [];
  return {
    /**
     * @param {number} at_ms
     * @param {{nodes: Node[]}} report
     */
    add(at_ms, { nodes }) {
      moments.push({ at_ms, nodes: new Map(nodes.map((one) => [one.node, one])) });
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
