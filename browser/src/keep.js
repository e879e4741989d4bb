// What the page keeps in local storage, which the viewer can switch off and the browser can refuse.
//
// While storage is off, reads return null and writes do nothing, so no caller has to check. Only
// the switch itself is still read and written: it must survive a reload, and hold in every tab and
// frame.

/** @import { StorageKind } from './storage/port.js' */

const PREFIX = 'ratchet:';
const SWITCH = 'storage';
/** The keys of views on their way start with this, those of count.js with a site before it. */
export const UNSENT = 'unsent:';

/**
 * @typedef {object} Keep
 * @property {StorageKind} kind the viewer's choice
 * @property {string} problem why the browser refuses local storage; empty if it does not
 * @property {(key: string) => string | null} read
 * @property {(key: string, text: string) => boolean} write false when it was not kept
 * @property {(key: string) => void} remove
 * @property {() => string[]} keys
 * @property {(kind: StorageKind) => void} choose
 * @property {() => void} clear removes everything except the choice and the views on their way, which
 *   no node has yet
 * @property {(changed: (key: string, text: string) => void) => void} onWrite by another tab
 * @property {(changed: () => void) => void} onChoice by another tab
 */

/** The key of the highest number that this browser has shown of a video. @param {string} video */
export const highKey = (video) => `high:${video}`;

/** The page's one. @type {Keep | undefined} */
let opened;

/** @returns {Keep} */
export function openKeep() {
  opened ??= open();
  return opened;
}

/** @returns {Keep} */
function open() {
  let problem = '';
  /** @type {<T>(use: (store: Storage) => T, otherwise: T) => T} */
  const attempt = (use, otherwise) => {
    try {
      const result = use(window.localStorage);
      problem = '';
      return result;
    } catch (error) {
      problem = String(error);
      return otherwise;
    }
  };
  const keys = () =>
    attempt((store) => Object.keys(store), [])
      .filter((key) => key.startsWith(PREFIX))
      .map((key) => key.slice(PREFIX.length));
  /** @param {string} key */
  const remove = (key) => attempt((store) => store.removeItem(PREFIX + key), undefined);
  const readSwitch = () => attempt((store) => store.getItem(PREFIX + SWITCH), null);
  let kind = kindIn(readSwitch());
  /** @type {(() => void)[]} */
  const choiceListeners = [];
  // Needed even without listeners: `off` must hold in every tab.
  /** @param {string | null} text */
  const takeChoice = (text) => {
    kind = kindIn(text);
    for (const changed of choiceListeners) changed();
  };
  window.addEventListener('storage', ({ key, newValue }) => {
    if (key === PREFIX + SWITCH) takeChoice(newValue);
  });
  // A page in the back-forward cache receives no events.
  window.addEventListener('pageshow', ({ persisted }) => {
    if (persisted) takeChoice(readSwitch());
  });

  return {
    get kind() {
      return kind;
    },
    get problem() {
      return problem;
    },
    read: (key) => (kind === 'off' ? null : attempt((store) => store.getItem(PREFIX + key), null)),
    write(key, text) {
      if (kind === 'off') return false;
      return attempt((store) => {
        store.setItem(PREFIX + key, text);
        return true;
      }, false);
    },
    // Removes also while storage is off: an entry from before must not be found again.
    remove,
    keys: () => (kind === 'off' ? [] : keys()),
    choose(chosen) {
      kind = chosen;
      if (chosen === 'indexeddb') remove(SWITCH);
      else attempt((store) => store.setItem(PREFIX + SWITCH, chosen), undefined);
    },
    clear() {
      for (const key of keys()) if (key !== SWITCH && !key.includes(UNSENT)) remove(key);
    },
    onWrite(changed) {
      window.addEventListener('storage', ({ key, newValue }) => {
        if (kind === 'off' || newValue === null || !key?.startsWith(PREFIX)) return;
        changed(key.slice(PREFIX.length), newValue);
      });
    },
    onChoice(changed) {
      choiceListeners.push(changed);
    },
  };
}

/**
 * The choice that this text stands for; IndexedDB for any other text.
 *
 * @param {string | null} text
 * @returns {StorageKind}
 */
const kindIn = (text) => (text === 'off' || text === 'localstorage' ? text : 'indexeddb');
