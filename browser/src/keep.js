// The page's local storage, which the viewer can switch off and the browser can refuse.
//
// Reads answer null and writes do nothing while it is off, so nobody else has to ask. Only the
// switch itself is read and written then: it has to hold over a reload.
'use strict';

const PREFIX = 'ratchet:';
const SWITCH = 'storage';

/**
 * @typedef {object} Keep
 * @property {boolean} on the viewer's switch
 * @property {string} problem why the browser refuses it; empty when it doesn't
 * @property {(key: string) => string | null} read
 * @property {(key: string, text: string) => boolean} write false when it was not kept
 * @property {(key: string) => void} remove
 * @property {() => string[]} keys
 * @property {(on: boolean) => void} turn
 * @property {() => void} clear all but the switch
 * @property {(heard: (key: string, text: string) => void) => void} listen to other tabs' writes
 */

/** @returns {Keep} */
export function openKeep() {
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
  let on = attempt((store) => store.getItem(PREFIX + SWITCH), null) !== 'off';

  return {
    get on() {
      return on;
    },
    get problem() {
      return problem;
    },
    read: (key) => (on ? attempt((store) => store.getItem(PREFIX + key), null) : null),
    write: (key, text) =>
      on && attempt((store) => (store.setItem(PREFIX + key, text), true), false),
    remove: (key) => {
      if (on) remove(key);
    },
    keys: () => (on ? keys() : []),
    turn(wanted) {
      on = wanted;
      if (on) remove(SWITCH);
      else attempt((store) => store.setItem(PREFIX + SWITCH, 'off'), undefined);
    },
    clear() {
      for (const key of keys()) if (key !== SWITCH) remove(key);
    },
    listen(heard) {
      window.addEventListener('storage', ({ key, newValue }) => {
        if (on && newValue !== null && key?.startsWith(PREFIX)) heard(key.slice(PREFIX.length), newValue);
      });
    },
  };
}
