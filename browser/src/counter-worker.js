// The worker: merges each snapshot it is handed into what is stored, one at a time, by the core.
'use strict';

import { loadMerge } from './core.js';
import { pageStorage } from './storage/by-page.js';
import { indexedDbStorage } from './storage/indexeddb.js';
import { noStorage } from './storage/off.js';

/** @type {{[kind: string]: () => import('./storage/port.js').StoragePort}} */
const STORAGES = { indexeddb: indexedDbStorage, localstorage: () => pageStorage(askPage), off: noStorage };
/** What to use instead of a storage that failed. @type {{[kind: string]: string}} */
const INSTEAD = { indexeddb: 'localstorage', localstorage: 'off' };

// Other tabs of this browser hear that something was stored, and read it.
const tabs = typeof BroadcastChannel === 'function' ? new BroadcastChannel('ratchet') : undefined;

let video = '';
let storage = noStorage();
/** @type {import('./core.js').Merge | undefined} */
let merge;

/**
 * What waits to be merged: the last snapshot of each node. Nodes only go up, so an older one of
 * the same node has nothing that the newer one lacks, and what waits stays small.
 *
 * @type {Map<string, string>}
 */
const waiting = new Map();
let working = false;
/** The last snapshot of all: a storage that comes into use gets it too. */
let last = { node: '', received: '' };

/** @type {{[does: string]: (message: any) => void}} */
const ORDERS = {
  start(message) {
    video = message.video;
    storage = STORAGES[message.storage]();
    loadMerge().then(
      (loaded) => {
        merge = loaded;
        tell('ready', {});
        hear('', ''); // loads what is stored
      },
      (error) => tell('failed', { why: nameOf(error) }),
    );
  },
  merge(message) {
    last = message;
    hear(message.node, message.received);
  },
  storage({ kind }) {
    storage = STORAGES[kind]();
    hear(last.node, last.received);
  },
  async clear() {
    // Also what is not in use now: the viewer means all of it.
    for (const clearing of new Set([storage, indexedDbStorage()])) {
      await clearing.clear().catch(() => {}); // refused, so there is nothing in it
    }
    tabs?.postMessage(video);
    tell('cleared', {});
    hear('', '');
  },
  answer: ({ id, stored, why }) => answers.get(id)?.(stored, why),
};

// Pyodide never answers when its WebAssembly does not come: it leaves only a rejection behind.
self.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  if (!merge) tell('failed', { why: nameOf(event.reason) });
});
self.addEventListener('message', ({ data }) => ORDERS[data.does](data));
tabs?.addEventListener('message', ({ data }) => {
  if (data === video && storage.kind !== 'off') hear('', '');
});

/**
 * @param {string} node
 * @param {string} received a snapshot's text; empty to look only at what is stored
 */
function hear(node, received) {
  waiting.set(node, received);
  if (!working && merge) void work(merge);
}

/** @param {import('./core.js').Merge} merge */
async function work(merge) {
  working = true;
  for (const [node, received] of waiting) {
    waiting.delete(node);
    await mergeOne(merge, received);
  }
  working = false;
}

/**
 * @param {import('./core.js').Merge} merge
 * @param {string} received
 */
async function mergeOne(merge, received) {
  let answer = {};
  let garbage;
  const used = storage;
  try {
    await used.update(video, ({ counter, folded }) => {
      try {
        const merged = JSON.parse(merge(video, counter, folded, received));
        answer = merged;
        const { base, slots, discarded } = merged;
        return {
          counter: JSON.stringify({ base, slots }),
          folded: JSON.stringify(merged.folded),
          foldedLost: discarded.includes('folded'),
        };
      } catch (error) {
        garbage = error;
        throw error;
      }
    });
  } catch (error) {
    if (garbage) return tell('garbage', { why: nameOf(garbage) });
    // The storage failed, not the merge: go on with the next one, from this very message.
    storage = STORAGES[INSTEAD[used.kind]]();
    tell('storage', { kind: storage.kind, why: `${used.kind}: ${error}` });
    return mergeOne(merge, received);
  }
  tell('merged', Object.assign({}, answer, { storage: used.kind }));
  // Only news: an answer to a tab's own message would go back and forth for ever.
  if (received && used.kind !== 'off') tabs?.postMessage(video);
}

/** @type {Map<number, (stored: any, why: string) => void>} */
const answers = new Map();
let asked = 0;

/** @type {Parameters<typeof pageStorage>[0]} */
function askPage(ask, video, stored) {
  const id = (asked += 1);
  return new Promise((resolve, reject) => {
    answers.set(id, (stored, why) => {
      answers.delete(id);
      if (why) reject(new Error(why));
      else resolve(stored);
    });
    tell('ask', { id, ask, video, stored });
  });
}

/**
 * @param {string} tells
 * @param {object} message
 */
function tell(tells, message) {
  self.postMessage({ tells, ...message });
}

/**
 * What matters of a Python traceback: its last line that names an error.
 *
 * @param {unknown} error
 */
function nameOf(error) {
  const lines = String(error).split('\n');
  return lines.filter((line) => /^[\w.]+: /.test(line)).at(-1) ?? lines[0];
}
