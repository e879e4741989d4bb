// Writes the stored state as a JSON file, and reads such a file with care.
//
// This module checks the form of the file. Only the core checks the state in it (`replace` asks
// it). The highest number shown is not in the file: a file could have any number there, and no
// merge would ever correct it.

/** @import { Stored } from '../storage/port.js' */

const FORMAT = 'ratchet-browser-state';
const VERSION = 1;
/** The core's own limit. A thousand slots with the longest names need a sixth of it. */
export const MAX_BYTES = 2 ** 20;

/**
 * @param {string} video
 * @param {Stored} stored as `ratchet` wrote it
 * @param {Date} now
 */
export function exported(video, { counter, folded }, now) {
  const file = {
    format: FORMAT,
    version: VERSION,
    video,
    exported: now.toISOString(),
    counter: JSON.parse(counter),
    folded: JSON.parse(folded),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * Throws an Error that says what is wrong.
 *
 * @param {string} text
 * @param {string} video the video that it is imported for
 * @returns {Stored}
 */
export function imported(text, video) {
  if (!text.trim()) throw new Error('there is nothing to import: choose a file, or paste one');
  if (new TextEncoder().encode(text).length > MAX_BYTES) {
    throw new Error('it is larger than 1 MiB, and no state is');
  }
  const file = parsed(text);
  if (file?.format !== FORMAT) {
    throw new Error(`it is no state that was exported here: its format is not “${FORMAT}”`);
  }
  if (file.version !== VERSION) {
    const version = JSON.stringify(file.version);
    throw new Error(`it has version ${version}, and this page knows ${VERSION} only`);
  }
  if (file.video !== video) {
    const other = JSON.stringify(file.video)?.slice(0, 80);
    throw new Error(`it is of the video ${other}, not of “${video}”`);
  }
  const { counter, folded } = file;
  if (!isRecord(counter)) throw new Error('its counter is missing');
  if (!isRecord(folded)) throw new Error('its folded is missing');
  return { counter: JSON.stringify(counter), folded: JSON.stringify(folded) };
}

/**
 * @param {string} text
 * @returns {{[field: string]: unknown} | null} null, or another value without fields, if the file is
 *   no object
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`it is no JSON (${error instanceof Error ? error.message : error})`);
  }
}

/** @param {unknown} value */
const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
