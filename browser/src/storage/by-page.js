// The worker's half of storage in localStorage: workers have none, so the page reads and writes.
'use strict';

/**
 * @param {(ask: 'load' | 'save', video: string, stored?: import('./port.js').Stored)
 *   => Promise<import('./port.js').Stored>} askPage rejects when local storage is refused
 * @returns {import('./port.js').StoragePort}
 */
export function pageStorage(askPage) {
  return {
    kind: 'localstorage',
    update: (video, change) =>
      alone(async () => {
        const stored = await askPage('load', video);
        const changed = change(stored);
        if (changed.counter !== stored.counter || changed.folded !== stored.folded) {
          await askPage('save', video, changed);
        }
      }),
    async clear() {
      // The page has cleared its local storage itself.
    },
  };
}

/**
 * One tab at a time, where the browser has locks (secure contexts do). Without them two tabs may
 * overwrite each other's last merge: the entry stays a sound state, and the next message heals it.
 *
 * @param {() => Promise<void>} work
 */
async function alone(work) {
  await (navigator.locks ? navigator.locks.request('ratchet-storage', work) : work());
}
