// What one node says it counts, in one snapshot: its base and its slots together.
//
// This is not a merge: two snapshots are never put together here, only `ratchet` does that. It is
// the same number that the node answers on GET /api/videos/{video}, so showing the highest of them
// is honest while Pyodide is not up, or can't run: no view is counted that was not accepted.

/**
 * @param {string} text a snapshot
 * @returns {number} NaN when the text is no snapshot
 */
export function ownValue(text) {
  try {
    const { base, slots } = JSON.parse(text);
    const counts = [base, ...Object.values(slots)];
    return counts.every((n) => Number.isSafeInteger(n) && n >= 0)
      ? counts.reduce((a, b) => a + b)
      : NaN;
  } catch {
    return NaN;
  }
}
