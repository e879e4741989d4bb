// Storage in IndexedDB: read, merge and write in one transaction, so two tabs never lose a write.

const NAME = 'ratchet';
// 1: the same stores. Raised when what is in them means something else, never lowered: a page that
// is older than what it finds is refused, and keeps its states elsewhere.
const VERSION = 2;
const COUNTERS = 'counters';
const FOLDED = 'folded';
const ALL = 'all'; // `folded` is one map for all videos
// An open can hang for ever (a browser that is shutting down, a broken profile): that is a refusal.
const OPEN_MS = 5_000;

/** @returns {import('./port.js').StoragePort} */
export function indexedDbStorage() {
  return {
    update: (video, change) =>
      transact((transaction, abort) => {
        const counters = transaction.objectStore(COUNTERS);
        const folds = transaction.objectStore(FOLDED);
        const counter = counters.get(video);
        const folded = folds.get(ALL);
        // Requests answer in order: at the second's success the first has its result too.
        folded.onsuccess = () => {
          const stored = { counter: asText(counter.result), folded: asText(folded.result) };
          try {
            const changed = change(stored);
            if (changed.foldedLost) counters.clear();
            if (changed.foldedLost || changed.counter !== stored.counter)
              counters.put(changed.counter, video);
            if (changed.folded !== stored.folded) folds.put(changed.folded, ALL);
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
 * How many videos' counters are there, for the panel.
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
 * Runs `work` in a transaction over both stores; resolves when it is complete, not when its last
 * request succeeded: it can still fail between the two (a full disk).
 *
 * Opened anew each time, about a millisecond: a kept connection goes stale when the viewer clears
 * the site's data, and would block a newer page's upgrade.
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
    const request = indexedDB.open(NAME, VERSION); // may throw where it is refused: a rejection too
    request.onupgradeneeded = () => {
      // What an older version left is kept: `ratchet` tells a state from what is none any more.
      const { result: database } = request;
      for (const name of [COUNTERS, FOLDED]) {
        if (!database.objectStoreNames.contains(name)) database.createObjectStore(name);
      }
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      if (late)
        request.result.close(); // nobody would, and it would block a newer page's upgrade
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
