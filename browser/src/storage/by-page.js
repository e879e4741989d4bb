// The worker's half of storage in localStorage: workers have none, so a tab reads and writes for it.

// A tab that crashed does not answer, and others wait for their turn.
const ANSWER_MS = 5_000;

/**
 * @typedef {object} Tab the worker's side of it
 * @property {(message: {id: number, stored?: import('./port.js').Stored, why?: string}) => void} answer
 *   the tab has answered; `why`: local storage is refused
 * @property {() => void} gone the tab will answer no more
 *
 * @param {(message: object) => void} tell sends to the tab
 * @returns {import('./port.js').StoragePort & Tab}
 */
export function pageStorage(tell) {
  /** @type {Map<number, (answer: {stored?: any, why?: string}) => void>} */
  const waiting = new Map();
  let asked = 0;

  /** @param {'load' | 'save' | 'forget'} ask @param {string} [video] @param {import('./port.js').Stored} [stored] */
  const request = (ask, video, stored) => {
    const id = (asked += 1);
    /** @type {Promise<import('./port.js').Stored>} */
    const answered = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => waiting.get(id)?.({ why: 'the tab does not answer' }),
        ANSWER_MS,
      );
      waiting.set(id, ({ stored, why }) => {
        clearTimeout(timer);
        waiting.delete(id);
        if (why) reject(new Error(why));
        else resolve(stored);
      });
    });
    tell({ tells: 'ask', id, ask, video, stored });
    return answered;
  };

  return {
    update: (video, change) =>
      alone(async () => {
        const stored = await request('load', video);
        const changed = change(stored);
        if (changed.counter !== stored.counter || changed.folded !== stored.folded) {
          await request('save', video, changed);
        }
      }),
    clear: () => alone(async () => void (await request('forget'))),
    answer: ({ id, ...answer }) => waiting.get(id)?.(answer),
    gone() {
      for (const answer of waiting.values()) answer({ why: 'the tab is gone' });
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
