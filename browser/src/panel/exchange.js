// The stored state as a JSON file: written, and read with care.
//
// Only the core says whether a state is one (`replace` asks it); here stands what a file is. The
// highest number shown is not in it: whoever writes such a file could write any number there, and
// no merge would ever correct it.

const FORMAT = 'ratchet-browser-state';
export const VERSION = 1;
/** As the core: a thousand slots with the longest names are a sixth of it. */
export const MAX_BYTES = 2 ** 20;

/**
 * @param {string} video
 * @param {{counter: string, folded: string}} stored as `ratchet` wrote it
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
 * @param {string} video the one whose place it is to take
 * @returns {{counter: string, folded: string}}
 */
export function imported(text, video) {
  if (!text.trim()) throw new Error('there is nothing to import: choose a file, or paste one');
  if (new TextEncoder().encode(text).length > MAX_BYTES)
    throw new Error('it is larger than 1 MiB, and no state is');
  let file;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is no JSON (${/** @type {Error} */ (error).message})`);
  }
  if (file?.format !== FORMAT)
    throw new Error(`it is no state that was exported here: its format is not “${FORMAT}”`);
  if (file.version !== VERSION)
    throw new Error(
      `it has version ${JSON.stringify(file.version)}, and this page knows ${VERSION} only`,
    );
  if (file.video !== video)
    throw new Error(
      `it is of the video ${JSON.stringify(file.video)?.slice(0, 80)}, not of “${video}”`,
    );
  const { counter, folded } = file;
  if (!isRecord(counter) || !isRecord(folded))
    throw new Error('its counter or its folded is missing');
  return { counter: JSON.stringify(counter), folded: JSON.stringify(folded) };
}

/** @param {unknown} value */
const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
