// The page's local storage, which the viewer can switch off and the browser can refuse.
//
// Reads answer null and writes do nothing while it is off, so nobody else has to ask. Only the
// switch itself is read and written then: it has to hold over a reload, and in every tab and frame.

const PREFIX = 'ratchet:';
const SWITCH = 'storage';
/** Keys of views on their way begin so. */
export const UNSENT = 'unsent:';

/**
 * @typedef {'indexeddb' | 'localstorage' | 'off'} Kind where the merged states are kept
 *
 * @typedef {object} Keep
 * @property {Kind} kind the viewer's choice
 * @property {string} problem why the browser refuses it; empty when it doesn't
 * @property {(key: string) => string | null} read
 * @property {(key: string, text: string) => boolean} write false when it was not kept
 * @property {(key: string) => void} remove
 * @property {() => string[]} keys
 * @property {(kind: Kind) => void} choose
 * @property {() => void} clear all but the choice, and views on their way: they are nobody's memory yet
 * @property {(heard: (key: string, text: string) => void) => void} listen to other tabs' writes
 * @property {(chosen: () => void) => void} onChoice another tab has chosen
 */

/** The page's one. @type {Keep | undefined} */
let opened;

/** @returns {Keep} */
export const openKeep = () => (opened ??= open());

/** @returns {Keep} */
function open() {
  let problem = '';
  /** @type {<T>(use: (store: Storage) => T, otherwise: T) => T} */
  const attempt = (use, otherwise) => {
    try {
      const answer = use(window.localStorage);
      problem = '';
      return answer;
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
  /** Whatever else stands there means the usual. @type {(text: string | null) => Kind} */
  const kindOf = (text) => (text === 'off' || text === 'localstorage' ? text : 'indexeddb');
  let kind = kindOf(attempt((store) => store.getItem(PREFIX + SWITCH), null));
  const on = () => kind !== 'off';
  /** @type {(() => void)[]} */
  const tellChoice = [];
  // Not only where somebody listens: off holds in every tab.
  /** @param {string | null} text */
  const chosenElsewhere = (text) => {
    kind = kindOf(text);
    for (const chosen of tellChoice) chosen();
  };
  window.addEventListener('storage', ({ key, newValue }) => {
    if (key === PREFIX + SWITCH) chosenElsewhere(newValue);
  });
  // A page in the back-forward cache is told nothing.
  window.addEventListener('pageshow', ({ persisted }) => {
    if (persisted) chosenElsewhere(attempt((store) => store.getItem(PREFIX + SWITCH), null));
  });

  return {
    get kind() {
      return kind;
    },
    get problem() {
      return problem;
    },
    read: (key) => (on() ? attempt((store) => store.getItem(PREFIX + key), null) : null),
    write: (key, text) =>
      on() && attempt((store) => (store.setItem(PREFIX + key, text), true), false),
    // Also while it is off: what was kept before is not to be found again.
    remove,
    keys: () => (on() ? keys() : []),
    choose(chosen) {
      kind = chosen;
      if (kind === 'indexeddb') remove(SWITCH);
      else attempt((store) => store.setItem(PREFIX + SWITCH, kind), undefined);
    },
    clear() {
      for (const key of keys()) if (key !== SWITCH && !key.startsWith(UNSENT)) remove(key);
    },
    listen(heard) {
      window.addEventListener('storage', ({ key, newValue }) => {
        if (on() && newValue !== null && key?.startsWith(PREFIX))
          heard(key.slice(PREFIX.length), newValue);
      });
    },
    onChoice: (chosen) => void tellChoice.push(chosen),
  };
}
