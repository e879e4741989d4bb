// The panel's calls to the demo's control: the states of its nodes, and orders to them.

/** @import { ClusterState } from '../cluster-state.js' */

const ANSWER_MS = 5_000;
// A node that stops first hands over its views.
const DONE_MS = 30_000;

/**
 * @typedef {'cut' | 'heal' | 'kill' | 'start' | 'drain' | 'leave' | 'retire'} Order
 *
 * @typedef {object} NodeState
 * @property {string} name
 * @property {string} url
 * @property {boolean} running
 * @property {boolean} ready
 * @property {boolean | null} cut null: it can't be cut off
 *
 * @typedef {object} PlaygroundState
 * @property {NodeState[]} nodes
 * @property {{over: string, why_uncut: string | null}} wire what joins the nodes
 * @property {ClusterState | null} cluster as one node sees it; null if no node answers
 * @property {string | null} seen_from that node
 */

/** @param {string} address */
export function openPlayground(address) {
  return {
    /** Rejects when the demo does not answer. @returns {Promise<PlaygroundState>} */
    async state() {
      const response = await fetch(`${address}/state`, {
        cache: 'no-store',
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      return response.json();
    },
    /**
     * Sends an order. Rejects if it was not done; the error says why.
     *
     * @param {string} node
     * @param {Order} order
     * @returns {Promise<NodeState[]>} the states of all nodes now
     */
    async order(node, order) {
      const response = await fetch(`${address}/nodes/${node}/${order}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{}',
        signal: AbortSignal.timeout(DONE_MS),
      }).catch((error) => {
        throw new Error(`the demo does not answer (${error.message}).`);
      });
      const content = await response.json();
      if (!response.ok) throw new Error(content.message);
      return content.nodes;
    },
  };
}
