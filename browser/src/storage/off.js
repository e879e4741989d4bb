// Storage switched off, or refused everywhere: this page's memory, gone with the page.

/** @returns {import('./port.js').StoragePort} */
export function noStorage() {
  /** @type {Map<string, import('./port.js').Stored>} */
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
