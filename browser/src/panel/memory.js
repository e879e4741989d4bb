// What the panel remembers of one video as long as this tab lives: its oldest state, and who told what.
//
// In session storage, which no other tab shares. Off is off: with storage switched off nothing is
// kept here either.

import { BASE } from './explain.js';

const PREFIX = 'ratchet-panel:';
const MOST_ORIGINS = 1_000;

/**
 * @typedef {object} Oldest a state as it was once stored, text for text
 * @property {string} counter
 * @property {string} folded
 * @property {number} at_ms
 * @property {number} value
 */

/**
 * @param {string} video
 * @param {import('../keep.js').Keep} keep
 */
export function openMemory(video, keep) {
  /** @type {(use: (store: Storage) => any) => any} */
  const attempt = (use) => {
    try {
      return keep.kind === 'off' ? null : use(window.sessionStorage);
    } catch {
      return null; // refused, or full: then the panel knows of this page only
    }
  };
  const key = (/** @type {string} */ part) => `${PREFIX}${part}:${video}`;
  const read = (/** @type {string} */ part) =>
    attempt((store) => JSON.parse(store.getItem(key(part)) ?? 'null'));
  const write = (/** @type {string} */ part, /** @type {unknown} */ value) =>
    attempt((store) => store.setItem(key(part), JSON.stringify(value)));

  let hasOldest = Boolean(read('oldest'));
  return {
    /** Whether there is an oldest state, asked often. */
    get hasOldest() {
      return hasOldest;
    },
    /** @returns {Oldest | null} */
    oldest: () => read('oldest'),
    /** @param {Oldest} state */
    keepOldest(state) {
      hasOldest = true;
      write('oldest', state);
    },
    /** @returns {Map<string, import('./explain.js').Origin>} */
    origins() {
      const found = read('origins');
      return new Map(Array.isArray(found) ? found.filter(isOrigin) : []);
    },
    /**
     * @param {Map<string, import('./explain.js').Origin>} origins
     * @param {import('./states.js').State} [merged] when it is known, which slots there still are
     */
    keepOrigins(origins, merged) {
      const matters = (/** @type {string} */ what) =>
        !merged || what === BASE || what in merged.slots;
      write('origins', [...origins].filter(([what]) => matters(what)).slice(-MOST_ORIGINS));
    },
    forget() {
      hasOldest = false;
      attempt((store) => ['oldest', 'origins'].forEach((part) => store.removeItem(key(part))));
    },
  };
}

/** What a hand in the developer tools has put there is no reason to fail. @param {unknown} entry */
function isOrigin(entry) {
  const [what, origin] = Array.isArray(entry) ? entry : [];
  const { count, node, at_ms } = origin ?? {};
  return (
    typeof what === 'string' &&
    typeof node === 'string' &&
    Number.isFinite(count) &&
    Number.isFinite(at_ms)
  );
}

/** @typedef {ReturnType<typeof openMemory>} Memory */
