// One step of a browser: what is stored, merged by the core with what was received, and stored again.

/**
 * @typedef {import('./core.js').Merge} Merge
 * @typedef {import('./storage/port.js').StoragePort} StoragePort
 *
 * @typedef {object} Step
 * @property {any} merged what `ratchet.passive.merge` answers, parsed
 * @property {import('./storage/port.js').Stored} before
 */

/** What was received is no snapshot of this video; nothing has changed. */
export class Garbage extends Error {}

/** The core itself has failed, and can't be asked again; nothing has changed. */
export class Broken extends Error {}

/**
 * Rejects with `Garbage`, `Broken`, or with whatever the storage failed with.
 *
 * @param {Merge} merge
 * @param {StoragePort} storage
 * @param {string} video
 * @param {string} received empty to look only at what is stored
 * @returns {Promise<Step>}
 */
export async function mergeInto(merge, storage, video, received) {
  /** @type {any} */
  let merged;
  let before = { counter: '', folded: '' };
  await storage.update(video, (stored) => {
    before = stored;
    merged = ask(merge, video, stored, received);
    return { ...asStored(merged), foldedLost: merged.discarded.includes('folded') };
  });
  return { merged, before };
}

/**
 * Puts a state in the place of all that is stored. The counters of other videos are forgotten: they
 * may stand on newer folds than this one's `folded`. Rejects, and changes nothing, if it is no state.
 *
 * @param {Merge} merge
 * @param {StoragePort} storage
 * @param {string} video
 * @param {import('./storage/port.js').Stored} wanted
 */
export async function replaceIn(merge, storage, video, wanted) {
  const { discarded, ...state } = ask(merge, video, wanted, '');
  if (discarded.length) throw new Garbage(`this is no ${discarded.join(' and no ')}`);
  await storage.update(video, () => ({ ...asStored(state), foldedLost: true }));
}

/**
 * What matters of a Python traceback: its last line that names an error.
 *
 * @param {unknown} error
 */
export function nameOf(error) {
  const lines = String(
    error instanceof Garbage || error instanceof Broken ? error.message : error,
  ).split('\n');
  return lines.filter((line) => /^[\w.]+: /.test(line)).at(-1) ?? lines[0];
}

/**
 * @param {Merge} merge
 * @param {string} video
 * @param {import('./storage/port.js').Stored} stored
 * @param {string} received
 */
function ask(merge, video, { counter, folded }, received) {
  try {
    return JSON.parse(merge(video, counter, folded, received));
  } catch (error) {
    // `type`: of a Python exception, its class. Whatever else comes out of Pyodide (a trap, no memory) would come
    // again with each message.
    const isOurs = /** @type {any} */ (error)?.type === 'Invalid';
    throw new (isOurs ? Garbage : Broken)(nameOf(error));
  }
}

/** @param {any} state */
function asStored({ base, slots, folded }) {
  return { counter: JSON.stringify({ base, slots }), folded: JSON.stringify(folded) };
}
