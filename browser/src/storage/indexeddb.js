// Storage in IndexedDB: read, merge and write in one transaction, so two tabs never lose a write.

/** @import { Changed, StoragePort, Stored } from './port.js' */

const NAME = 'ratchet';
// Version 1 had the same stores. Raise the version when the meaning of their content changes, and
// never lower it. A page that is older than the database is refused, and keeps its states
// elsewhere.
const VERSION = 2;
const COUNTERS = 'counters';
const FOLDED = 'folded';
const ALL = 'all'; // `folded` is one map for all videos
// An open can hang for ever (a browser that is shutting down, a broken profile). It counts as
// refused.
const OPEN_MS = 5_000;

/** @returns {StoragePort} */
export function indexedDbStorage() {
  return {
    update: (video, change) =>
      transact((transaction, abort) => {
        const counter = transaction.objectStore(COUNTERS).get(video);
        const folded = transaction.objectStore(FOLDED).get(ALL);
        // Requests are answered in order. When the second succeeds, the first has its result, too.
        folded.onsuccess = () => {
          const stored = { counter: asText(counter.result), folded: asText(folded.result) };
          try {
            write(transaction, video, stored, change(stored));
          } catch (error) {
            abort(error);
          }
        };
      }),
    clear: () =>
      transact((transaction) => {
        transaction.objectStore(COUNTERS).clear();
        transaction.objectStore(FOLDED).clear();
      }),
  };
}

/**
 * @param {IDBTransaction} transaction
 * @param {string} video
 * @param {Stored} stored
 * @param {Changed} changed
 */
function write(transaction, video, stored, { counter, folded, foldedLost }) {
  const counters = transaction.objectStore(COUNTERS);
  if (foldedLost) counters.clear();
  if (foldedLost || counter !== stored.counter) counters.put(counter, video);
  if (folded !== stored.folded) transaction.objectStore(FOLDED).put(folded, ALL);
}

/**
 * How many videos have a stored counter, for the panel.
 *
 * @returns {Promise<number>}
 */
export async function storedVideos() {
  /** @type {IDBRequest<number> | undefined} */
  let counted;
  await transact((transaction) => {
    counted = transaction.objectStore(COUNTERS).count();
  });
  return counted?.result ?? 0;
}

/**
 * Runs `work` in a transaction over both stores. Resolves when the transaction is complete, not
 * when its last request has succeeded: between the two it can still fail (a full disk).
 *
 * It opens the database each time, which takes about a millisecond. A connection that stays open
 * goes stale when the viewer clears the site's data, and would block a newer page's upgrade.
 *
 * @param {(transaction: IDBTransaction, abort: (why: unknown) => void) => void} work
 */
async function transact(work) {
  const database = await open();
  try {
    await new Promise((resolve, reject) => {
      const transaction = database.transaction([COUNTERS, FOLDED], 'readwrite');
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
      work(transaction, (why) => {
        reject(why);
        transaction.abort();
      });
    });
  } finally {
    database.close();
  }
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new Error('IndexedDB does not answer'));
    }, OPEN_MS);
    const request = indexedDB.open(NAME, VERSION); // if it throws (refused), the promise rejects
    request.onupgradeneeded = () => {
      // Keep what an older version stored: `ratchet` recognises what is no longer a valid state.
      const { result: database } = request;
      for (const name of [COUNTERS, FOLDED]) {
        if (!database.objectStoreNames.contains(name)) database.createObjectStore(name);
      }
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      if (late)
        request.result.close(); // an open connection would block a newer page's upgrade
      else resolve(request.result);
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(request.error);
    };
  });
}

/** @param {unknown} value */
function asText(value) {
  return value === undefined ? '' : String(value);
}
