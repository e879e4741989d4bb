// The page's half of storage in localStorage: one entry for each video, with its `folded` inside.
//
// There is no transaction over two entries. If `folded` had an entry of its own, two pages that
// write in turns could leave a new counter next to an old `folded`, even if each wrote `folded`
// first. One entry is written as a whole, so a counter is always next to the `folded` that it was
// merged with. It costs a few bytes for each video.

/**
 * @import { Keep } from '../keep.js'
 * @import { StorageAnswer, StorageRequest } from '../merge-protocol.js'
 * @import { Stored } from './port.js'
 */

/** The keys of these entries start with this. */
export const STATE = 'state:';

/**
 * Does what the worker asks for.
 *
 * @param {Keep} keep
 * @param {StorageRequest} request
 * @returns {StorageAnswer}
 */
export function answerStorage(keep, request) {
  const { id } = request;
  try {
    if (request.operation === 'load') {
      return { type: 'storage-answer', id, stored: load(keep, request.video) };
    }
    if (request.operation === 'save') save(keep, request.video, request.stored);
    else forget(keep);
    return { type: 'storage-answer', id };
  } catch (error) {
    return { type: 'storage-answer', id, why: String(error) };
  }
}

/**
 * @param {Keep} keep
 * @param {string} video
 * @returns {Stored}
 */
function load(keep, video) {
  const text = keep.read(STATE + video) ?? '';
  if (keep.problem) throw new Error(keep.problem);
  try {
    const [counter, folded] = JSON.parse(text);
    return { counter: String(counter), folded: String(folded) };
  } catch {
    return { counter: text, folded: '' }; // nothing, or garbage: `ratchet` says which
  }
}

/** @param {Keep} keep */
function forget(keep) {
  for (const key of keep.keys()) if (key.startsWith(STATE)) keep.remove(key);
}

/**
 * @param {Keep} keep
 * @param {string} video
 * @param {Stored} stored
 */
function save(keep, video, stored) {
  if (!keep.write(STATE + video, JSON.stringify([stored.counter, stored.folded]))) {
    throw new Error(keep.problem || 'local storage is switched off');
  }
}
