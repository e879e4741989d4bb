// What the panel remembers of one video while this tab lives: its oldest state, and the origin of counts.
//
// It is kept in session storage, which no other tab shares. If the viewer has switched storage off,
// nothing is kept here either.

/**
 * @import { Keep } from '../keep.js'
 * @import { Stored } from '../storage/port.js'
 * @import { Origin } from './lacking.js'
 * @import { State } from './states.js'
 */

import { BASE } from './lacking.js';

const PREFIX = 'ratchet-panel:';
const MOST_ORIGINS = 1_000;

/**
 * @typedef {Stored & {at_ms: number, value: number}} Oldest a state as it was once stored, text for text
 *
 * @typedef {ReturnType<typeof openMemory>} Memory
 */

/**
 * @param {string} video
 * @param {Keep} keep
 */
export function openMemory(video, keep) {
  /** @type {<T>(use: (store: Storage) => T) => T | null} */
  const attempt = (use) => {
    try {
      return keep.kind === 'off' ? null : use(window.sessionStorage);
    } catch {
      return null; // refused, or full: then the panel knows only what this page has seen
    }
  };
  const key = (/** @type {string} */ part) => `${PREFIX}${part}:${video}`;
  /** @type {(part: string) => unknown} */
  const read = (part) => attempt((store) => JSON.parse(store.getItem(key(part)) ?? 'null'));
  const write = (/** @type {string} */ part, /** @type {unknown} */ value) =>
    attempt((store) => store.setItem(key(part), JSON.stringify(value)));
  const readOldest = () => {
    const found = read('oldest');
    return isOldest(found) ? found : null;
  };

  let hasOldest = readOldest() !== null;
  return {
    /** Whether there is an oldest state. It is cheap, because it is called often. */
    get hasOldest() {
      return hasOldest;
    },
    oldest: readOldest,
    /** @param {Oldest} state */
    keepOldest(state) {
      hasOldest = true;
      write('oldest', state);
    },
    /** @returns {Map<string, Origin>} */
    origins() {
      const found = read('origins');
      return new Map(Array.isArray(found) ? found.filter(isOrigin) : []);
    },
    /**
     * @param {Map<string, Origin>} origins
     * @param {State} [merged] only its slots matter; without it, all do
     */
    keepOrigins(origins, merged) {
      const matters = (/** @type {string} */ slot) =>
        !merged || slot === BASE || slot in merged.slots;
      const kept = [...origins].filter(([slot]) => matters(slot));
      write('origins', kept.slice(-MOST_ORIGINS));
    },
    forget() {
      hasOldest = false;
      attempt((store) => {
        for (const part of ['oldest', 'origins']) store.removeItem(key(part));
      });
    },
  };
}

// A viewer may have changed these values in the developer tools. The panel must not fail then.

/**
 * @param {unknown} value
 * @returns {value is Oldest}
 */
function isOldest(value) {
  const { counter, folded, at_ms, value: views } = fieldsOf(value);
  const isText = typeof counter === 'string' && typeof folded === 'string';
  return isText && Number.isFinite(at_ms) && Number.isFinite(views);
}

/**
 * @param {unknown} entry
 * @returns {entry is [string, Origin]}
 */
function isOrigin(entry) {
  const [slot, origin] = Array.isArray(entry) ? entry : [];
  const { count, node, at_ms } = fieldsOf(origin);
  const isText = typeof slot === 'string' && typeof node === 'string';
  return isText && Number.isFinite(count) && Number.isFinite(at_ms);
}

/**
 * @param {unknown} value
 * @returns {{[field: string]: unknown}} empty if the value is no object
 */
const fieldsOf = (value) => (typeof value === 'object' && value !== null ? { ...value } : {});
