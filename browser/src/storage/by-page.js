// The worker's half of storage in localStorage. Workers can't reach it, so a page reads and writes.

/**
 * @import { FromWorker, StorageAnswer, StorageRequest } from '../merge-protocol.js'
 * @import { StoragePort, Stored } from './port.js'
 */

// A page that has crashed does not answer, and other pages wait for their turn.
const ANSWER_MS = 5_000;

/**
 * @typedef {object} PageStorage what the worker must tell such a storage about the page
 * @property {(answer: StorageAnswer) => void} answer the page has answered
 * @property {() => void} gone the page will answer no more
 *
 * @typedef {{operation: 'load' | 'forget'} | {operation: 'save', stored: Stored}} Operation
 */

/**
 * @param {(request: StorageRequest & FromWorker) => void} post sends to the page
 * @returns {StoragePort & PageStorage}
 */
export function pageStorage(post) {
  /** @type {Map<number, (answer: {stored?: Stored, why?: string}) => void>} */
  const waiting = new Map();
  let requests = 0;

  /**
   * @param {string} video
   * @param {Operation} operation
   * @returns {Promise<Stored | undefined>} the stored state, if the operation is a load
   */
  const request = (video, operation) => {
    requests += 1;
    const id = requests;
    const answered = new Promise((resolve, reject) => {
      const why = 'the page does not answer';
      const timer = setTimeout(() => waiting.get(id)?.({ why }), ANSWER_MS);
      waiting.set(id, (answer) => {
        clearTimeout(timer);
        waiting.delete(id);
        if (answer.why) reject(new Error(answer.why));
        else resolve(answer.stored);
      });
    });
    post({ type: 'storage-request', id, video, ...operation });
    return answered;
  };

  return {
    update: (video, change) =>
      oneAtATime(async () => {
        const stored = (await request(video, { operation: 'load' })) ?? { counter: '', folded: '' };
        const changed = change(stored);
        if (changed.counter !== stored.counter || changed.folded !== stored.folded) {
          await request(video, { operation: 'save', stored: changed });
        }
      }),
    clear: () =>
      oneAtATime(async () => {
        await request('', { operation: 'forget' });
      }),
    answer: (answer) => waiting.get(answer.id)?.(answer),
    gone() {
      for (const settle of waiting.values()) settle({ why: 'the page is gone' });
    },
  };
}

/**
 * Lets one page work at a time, if the browser has locks (secure contexts do). Without locks two
 * pages may overwrite each other's last merge. The entry is still a valid state, and the next
 * message mends it.
 *
 * @param {() => Promise<void>} work
 */
async function oneAtATime(work) {
  await (navigator.locks ? navigator.locks.request('ratchet-storage', work) : work());
}
