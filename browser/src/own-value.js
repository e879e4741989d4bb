// The number in one snapshot: its base and its slots together.
//
// This is no merge: only `ratchet` merges two snapshots. It is the number that the node itself
// returns from GET /api/videos/{video}. So the page may show the highest of these numbers while
// Pyodide is not loaded yet, or cannot run: each of the views in it was accepted by a node.

/**
 * @param {string} text a snapshot
 * @returns {number} NaN when the text is no snapshot
 */
export function ownValue(text) {
  try {
    const { base, slots } = JSON.parse(text);
    /** @type {number[]} */
    const counts = [base, ...Object.values(slots)];
    const isValid = counts.every((n) => Number.isSafeInteger(n) && n >= 0);
    return isValid ? counts.reduce((a, b) => a + b) : NaN;
  } catch {
    return NaN;
  }
}
