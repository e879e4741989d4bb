// What count.js keeps in the local storage of the page's site.

/** @import { Keep } from '../keep.js' */

const ONCE = 'once:';

/**
 * The part of `keep` that belongs to one counting site: a page may have the scripts of several.
 *
 * @param {string} site
 * @param {Keep} keep
 * @returns {Keep}
 */
export function keepFor(site, keep) {
  const prefix = `${site} `;
  return {
    ...keep,
    // Written out, because they change.
    get kind() {
      return keep.kind;
    },
    get problem() {
      return keep.problem;
    },
    read: (key) => keep.read(prefix + key),
    write: (key, text) => keep.write(prefix + key, text),
    remove: (key) => keep.remove(prefix + key),
    keys: () =>
      keep
        .keys()
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length)),
  };
}

/**
 * Whether a view of a video is the first one on this day. Asking notes the view.
 *
 * @param {Keep} keep
 * @param {() => string} today
 * @returns {(video: string) => boolean}
 */
export function oncePerDay(keep, today = () => new Date().toISOString().slice(0, 10)) {
  // Where nothing can be stored, this page remembers.
  /** @type {Map<string, string>} */
  const seen = new Map();
  for (const key of keep.keys()) {
    if (key.startsWith(ONCE) && keep.read(key) !== today()) keep.remove(key);
  }
  return (video) => {
    const day = today();
    const last = keep.read(ONCE + video) ?? seen.get(video);
    seen.set(video, day);
    keep.write(ONCE + video, day);
    return last !== day;
  };
}
