// The page's handle on the worker that merges: hands it snapshots, hears values, does its local storage.
'use strict';

import { Backoff } from './backoff.js';
import { load, save } from './storage/localstorage.js';

// A browser that can't run it at all is asked again seldom; one that lost a node, soon.
const LONGEST_PAUSE_MS = 5 * 60_000;

/**
 * @typedef {object} Merged
 * @property {number} value
 * @property {number} base
 * @property {{[slot: string]: number}} slots
 * @property {{[node: string]: number}} folded
 * @property {string[]} discarded what was stored and no state
 * @property {string} storage where it is stored now
 */

/**
 * @typedef {object} Tells how the page hears of it
 * @property {(merged: Merged) => void} merged
 * @property {(state: 'ready' | 'failed', why: string) => void} state
 * @property {(kind: string, why: string) => void} storage another one is used now
 * @property {(line: string) => void} log
 */

/**
 * @param {string} video
 * @param {import('./keep.js').Keep} keep
 * @param {Tells} tells
 */
export function startCounter(video, keep, tells) {
  /** @type {Worker | undefined} */
  let worker;
  const backoff = new Backoff(LONGEST_PAUSE_MS);
  /** The last snapshot: a worker that is started again gets it, too. @type {object | undefined} */
  let last;
  /** @param {object} message */
  const order = (message) => worker?.postMessage(message);

  /** @type {{[tells: string]: (message: any) => void}} */
  const hear = {
    ready() {
      backoff.reset();
      tells.state('ready', '');
    },
    failed: ({ why }) => failed(why),
    merged: tells.merged,
    garbage: ({ why }) => tells.log(`a snapshot was not merged: ${why}`),
    storage: ({ kind, why }) => tells.storage(kind, why),
    cleared: () => tells.log('what was stored is cleared'),
    ask({ id, ask, video, stored }) {
      let answer = {};
      try {
        answer = ask === 'load' ? { stored: load(keep, video) } : { stored: save(keep, video, stored) };
      } catch (error) {
        answer = { why: String(error) };
      }
      order({ does: 'answer', id, ...answer });
    },
  };

  /** What the page itself is refused, its worker need not try. */
  const wanted = () => {
    if (!keep.on) return 'off';
    try {
      return window.indexedDB ? 'indexeddb' : 'localstorage';
    } catch {
      return 'localstorage';
    }
  };

  function start() {
    try {
      worker = new Worker(new URL('counter-worker.js', import.meta.url), { type: 'module' });
      worker.onmessage = ({ data }) => hear[data.tells](data);
      worker.onerror = (event) => {
        event.preventDefault(); // said in the panel, not in red in the console
        failed(event.message || 'the worker did not load');
      };
      order({ does: 'start', video, storage: wanted() });
      if (last) order(last);
    } catch (error) {
      failed(String(error));
    }
  }

  /**
   * A worker that did not load is started again: its node may have gone away in the middle of it.
   *
   * @param {string} why
   */
  function failed(why) {
    if (worker) worker.onmessage = worker.onerror = null;
    worker?.terminate();
    worker = undefined;
    tells.state('failed', why);
    setTimeout(start, backoff.next_ms());
  }

  start();
  return {
    /** @type {(received: string, node: string) => void} */
    merge(received, node) {
      last = { does: 'merge', received, node };
      order(last);
    },
    useStorage: () => order({ does: 'storage', kind: wanted() }),
    clear: () => order({ does: 'clear' }),
  };
}
