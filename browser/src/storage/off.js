// Storage switched off, or refused everywhere: the page's memory, which is gone with the page.

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
