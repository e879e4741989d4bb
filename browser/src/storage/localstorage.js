// The page's half of storage in localStorage: one entry a video, its `folded` inside.
//
// There is no transaction over two entries. With `folded` in an entry of its own, two tabs that
// write in turns can leave a new counter next to an old `folded`, even if each writes `folded`
// first. One entry is written as a whole: a counter always stands next to the `folded` it was
// merged under. It costs a few bytes a video.

const KEPT = 'state:';

/**
 * @param {import('../keep.js').Keep} keep
 * @param {string} video
 * @returns {import('./port.js').Stored}
 */
export function load(keep, video) {
  const text = keep.read(KEPT + video) ?? '';
  if (keep.problem) throw new Error(keep.problem);
  try {
    const [counter, folded] = JSON.parse(text);
    return { counter: String(counter), folded: String(folded) };
  } catch {
    return { counter: text, folded: '' }; // nothing, or garbage: `ratchet` says which
  }
}

/** @param {import('../keep.js').Keep} keep */
export function forget(keep) {
  for (const key of keep.keys()) if (key.startsWith(KEPT)) keep.remove(key);
}

/**
 * @param {import('../keep.js').Keep} keep
 * @param {string} video
 * @param {import('./port.js').Stored} stored
 */
export function save(keep, video, stored) {
  if (!keep.write(KEPT + video, JSON.stringify([stored.counter, stored.folded]))) {
    throw new Error(keep.problem || 'local storage is switched off');
  }
}
