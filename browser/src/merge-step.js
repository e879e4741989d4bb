// One step of a browser: the core merges a received snapshot into the stored state, which is stored again.

/**
 * @import { Merge } from './core.js'
 * @import { Outcome, State } from './merge-protocol.js'
 * @import { StoragePort, Stored } from './storage/port.js'
 */

/** The received text is no snapshot of this video; nothing has changed. */
export class Garbage extends Error {}

/** The core itself has failed and cannot be used again; nothing has changed. */
export class Broken extends Error {}

/**
 * Rejects with `Garbage`, `Broken`, or with the storage's own error.
 *
 * @param {Merge} merge
 * @param {StoragePort} storage
 * @param {string} video
 * @param {string} received empty to read only what is stored
 * @returns {Promise<Outcome & {before: Stored}>} `before`: what was stored
 */
export async function mergeInto(merge, storage, video, received) {
  /** @type {(Outcome & {before: Stored}) | undefined} */
  let merged;
  await storage.update(video, (before) => {
    const outcome = call(merge, video, before, received);
    merged = { ...outcome, before };
    return { ...asStored(outcome), foldedLost: outcome.discarded.includes('folded') };
  });
  if (!merged) throw new Error('the storage resolved before it asked for the change');
  return merged;
}

/**
 * Puts a state in place of everything that is stored. It forgets the counters of other videos,
 * because they may be based on newer folds than this `folded`. It rejects with `Garbage` if the new
 * state is not valid; then nothing changes.
 *
 * @param {Merge} merge
 * @param {StoragePort} storage
 * @param {string} video
 * @param {Stored} state
 */
export async function replaceIn(merge, storage, video, state) {
  const outcome = call(merge, video, state, '');
  if (outcome.discarded.length) {
    throw new Garbage(`this is no ${outcome.discarded.join(' and no ')}`);
  }
  await storage.update(video, () => ({ ...asStored(outcome), foldedLost: true }));
}

/**
 * The part of a Python traceback that matters: its last line that names an error.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function nameOf(error) {
  const isOurs = error instanceof Garbage || error instanceof Broken;
  const lines = String(isOurs ? error.message : error).split('\n');
  return lines.filter((line) => /^[\w.]+: /.test(line)).at(-1) ?? lines[0];
}

/**
 * @param {Merge} merge
 * @param {string} video
 * @param {Stored} stored
 * @param {string} received
 * @returns {Outcome}
 */
function call(merge, video, { counter, folded }, received) {
  try {
    return JSON.parse(merge(video, counter, folded, received));
  } catch (error) {
    // Any other error from Pyodide (a trap, no memory) would come again with each message.
    throw new (isInvalid(error) ? Garbage : Broken)(nameOf(error));
  }
}

/**
 * Whether the core has refused its input. Pyodide names a Python exception's class in `type`.
 *
 * @param {unknown} error
 */
const isInvalid = (error) => error instanceof Error && Reflect.get(error, 'type') === 'Invalid';

/**
 * @param {State} state
 * @returns {Stored}
 */
function asStored({ base, slots, folded }) {
  return { counter: JSON.stringify({ base, slots }), folded: JSON.stringify(folded) };
}
