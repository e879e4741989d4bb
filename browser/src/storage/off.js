// Storage that is off, or refused everywhere: the state is in memory, and ends with the page.

/** @import { StoragePort, Stored } from './port.js' */

/** @returns {StoragePort} */
export function noStorage() {
  /** @type {Map<string, Stored>} */
  const states = new Map();
  return {
    async update(video, change) {
      states.set(video, change(states.get(video) ?? { counter: '', folded: '' }));
    },
    async clear() {
      states.clear();
    },
  };
}
