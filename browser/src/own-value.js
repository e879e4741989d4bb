// The number in one snapshot: its base and its slots together.
//
// This is no merge: only `ratchet` puts two snapshots together. It is the number that the node
// itself answers on GET /api/videos/{video}. So it is honest to show the highest of these numbers
// while Pyodide is not there yet, or cannot run: it has no view that no node accepted.

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
