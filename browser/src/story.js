// What has happened on this page, for the panel, which may come later than the first of it.

// More than anybody reads; a busy video brings ten a second.
const LONGEST = 500;

/**
 * @typedef {{at_ms: number} & (
 *     {kind: 'heard', text: string, node: string, way: string}
 *   | {kind: 'lost', state: string, way: string}
 *   | {kind: 'merged'} & import('./counter.js').Merged
 *   | {kind: 'merge', state: 'ready' | 'failed', why: string, way: string, after_ms: number}
 *   | {kind: 'storage', storage: string, why: string}
 *   | {kind: 'shown', value: number}
 *   | {kind: 'log', line: string}
 * )} Event `at_ms` is the browser's clock; `after_ms` since the page began
 *
 * @typedef {object} Story
 * @property {(event: object & {kind: Event['kind']}) => void} tell
 * @property {(hear: (event: Event) => void) => void} listen all that was told, then what is told
 */

/** @returns {Story} */
export function openStory() {
  /** @type {Event[]} */
  const told = [];
  /** @type {((event: Event) => void)[]} */
  const listeners = [];
  return {
    tell(said) {
      const event = /** @type {Event} */ ({ at_ms: Date.now(), ...said });
      told.push(event);
      if (told.length > LONGEST) told.shift();
      for (const hear of listeners) hear(event);
    },
    listen(hear) {
      told.forEach(hear);
      listeners.push(hear);
    },
  };
}
