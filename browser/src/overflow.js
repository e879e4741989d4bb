// The numbers for which local storage had no room. The scripts of a site share that room, and any of
// them may fill it.
//
// IndexedDB has more room, but nobody can read it before the first paint. So a mark in local storage
// says that it has all numbers. It is taken away with the first number that finds no room: that
// always works. Without the mark, first-paint.js shows no number before it has read these.

/** @import { Keep } from './keep.js' */

import { highKey } from './keep.js';
import './format.js';

const NAME = 'ratchet-overflow';
const NUMBERS = 'numbers';
/** The key of the mark. first-paint.js reads it, too. */
const WHOLE = 'whole';
// The number must not wait for long.
const READ_MS = 1_000;

/** What is to be written, all in one transaction. @type {Map<string, number>} */
const unwritten = new Map();

/**
 * Remembers how far the number of a video went, if it went farther than ever before.
 *
 * @param {Keep} keep
 * @param {string} video
 * @param {number} views
 */
export function rememberViews(keep, video, views) {
  const key = highKey(video);
  if (keep.kind === 'off' || views <= globalThis.viewsKept(keep.read(key))) return;
  if (keep.write(key, String(views))) return;
  keep.remove(WHOLE);
  if (!unwritten.size) setTimeout(() => void write().catch(() => {})); // refused, too
  unwritten.set(key, views);
}

/**
 * The numbers that are missing in local storage, by their keys.
 *
 * @param {Keep} keep
 * @returns {Promise<ReadonlyMap<string, number>>}
 */
export async function missingViews(keep) {
  return keep.kind === 'off' || keep.read(WHOLE) !== null ? new Map() : readOverflow();
}

/**
 * Moves the numbers into local storage, once that has room again.
 *
 * @param {Keep} keep
 */
export async function settleOverflow(keep) {
  if (keep.kind === 'off' || keep.read(WHOLE) !== null) return;
  for (const [key, views] of await readOverflow()) {
    const isKept = views <= globalThis.viewsKept(keep.read(key)) || keep.write(key, String(views));
    if (!isKept) return;
  }
  keep.write(WHOLE, 'yes');
}

/** Forgets the numbers. */
export function clearOverflow() {
  unwritten.clear();
  void transact('readwrite', (numbers) => numbers.clear()).catch(() => {}); // refused: there are none
}

/**
 * All numbers; none if they can't be read.
 *
 * @returns {Promise<Map<string, number>>}
 */
export async function readOverflow() {
  /** @type {Map<string, number>} */
  const found = new Map();
  const read = transact('readonly', (numbers) => {
    const request = numbers.openCursor();
    request.onsuccess = () => {
      const { result: cursor } = request;
      if (!cursor) return;
      if (Number.isSafeInteger(cursor.value)) found.set(String(cursor.key), cursor.value);
      cursor.continue();
    };
  });
  const late = new Promise((resolve) => setTimeout(resolve, READ_MS));
  await Promise.race([read, late]).catch(() => {});
  return found;
}

async function write() {
  const numbers = [...unwritten];
  unwritten.clear();
  await transact('readwrite', (store) => {
    for (const [key, views] of numbers) {
      const stored = store.get(key);
      // Another tab may have written a higher one.
      stored.onsuccess = () => {
        if (!(stored.result >= views)) store.put(views, key);
      };
    }
  });
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(numbers: IDBObjectStore) => void} work
 * @returns {Promise<void>}
 */
function transact(mode, work) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME); // if it throws (refused), the promise rejects
    opening.onupgradeneeded = () => opening.result.createObjectStore(NUMBERS);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(NUMBERS, mode);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      work(transaction.objectStore(NUMBERS));
      database.close(); // once the transaction has ended
    };
  });
}
