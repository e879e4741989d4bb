// The worker: merges each snapshot it is handed into what is stored, one at a time, by the core.

import { loadMerge } from './core.js';
import { forgetIt } from './core-kept.js';
import { holdLife, onDeath } from './life.js';
import { hearClients } from './merge-clients.js';
import { Broken, Garbage, mergeInto, nameOf, replaceIn } from './merge-step.js';
import { pageStorage } from './storage/by-page.js';
import { indexedDbStorage } from './storage/indexeddb.js';
import { noStorage } from './storage/off.js';

/**
 * @typedef {import('./merge-clients.js').Client} Client
 *
 * @typedef {object} Tab what is known of a client
 * @property {ReturnType<typeof pageStorage>} page
 * @property {{[kind: string]: import('./storage/port.js').StoragePort}} storages
 * @property {string} kind the storage that it uses
 * @property {Map<string, Job>} last for each video that it watches, what it last handed over
 * @property {() => void} stopWaiting for its end
 *
 * @typedef {object} Job one merge
 * @property {string} video
 * @property {string} node from which it was received
 * @property {string} received a snapshot's text; empty to look only at what is stored
 */

/** What to use instead of a storage that failed. @type {{[kind: string]: string}} */
const INSTEAD = { indexeddb: 'localstorage', localstorage: 'off' };

// Workers of other tabs (where they share none), and of other builds, hear that something was
// stored, and read it.
const others = openOthers();

/** @type {import('./core.js').Merge | undefined} */
let merge;
let failure = '';

/** Tabs learn by it that this worker is gone. */
const life = holdLife().name;

/** @type {Map<Client, Tab>} */
const tabs = new Map();

/**
 * What waits to be merged: of each tab and video the last snapshot of each node. Nodes only go up,
 * so an older one of the same node has nothing that the newer one lacks, and what waits stays small.
 *
 * @type {Map<string, {client: Client, job: Job}>}
 */
const waiting = new Map();
let working = false;

/** @type {{[does: string]: (client: Client, tab: Tab, message: any) => void}} */
const ORDERS = {
  watch(client, tab, { video, storage }) {
    client.tell({ tells: 'life', life });
    tab.kind = storage;
    tab.last.set(video, { video, node: '', received: '' });
    if (merge) client.tell({ tells: 'ready' });
    else if (failure) client.tell({ tells: 'failed', why: failure });
    hear(client, video, '', ''); // loads what is stored
  },
  unwatch: (_client, tab, { video }) => void tab.last.delete(video),
  merge: (client, _tab, { video, node, received }) => hear(client, video, node, received),
  storage(client, tab, { storage }) {
    tab.kind = storage;
    // A storage that comes into use gets what was heard last.
    for (const { video, node, received } of tab.last.values()) hear(client, video, node, received);
  },
  async clear(client, tab) {
    // Also what is not in use now: the viewer means all of it.
    for (const kind of new Set([tab.kind, 'indexeddb'])) {
      await tab.storages[kind].clear().catch(() => {}); // refused, so there is nothing in it
    }
    client.tell({ tells: 'cleared' });
    for (const video of tab.last.keys()) hear(client, video, '', '');
    for (const each of watched()) {
      hearEverywhere(each);
      others?.postMessage(each);
    }
  },
  async replace(client, tab, { id, video, counter, folded }) {
    try {
      if (!merge) throw new Error('the merge is not ready yet');
      if (tab.kind === 'off') throw new Error('storage is off: there is nothing to put it into');
      await replaceIn(merge, tab.storages[tab.kind], video, { counter, folded });
    } catch (error) {
      client.tell({ tells: 'replaced', id, why: nameOf(error) });
      if (error instanceof Broken) await spoilt(error);
      return;
    }
    client.tell({ tells: 'replaced', id, why: '' });
    for (const each of watched()) {
      hearEverywhere(each);
      others?.postMessage(each);
    }
  },
  answer: (_client, tab, message) => tab.page.answer(message),
  // A tab that crashes says no good-bye.
  lives(client, tab, { life: its }) {
    tab.stopWaiting();
    tab.stopWaiting = onDeath(its, () => ORDERS.bye(client, tab, {}));
  },
  bye(client, tab) {
    tab.stopWaiting();
    tabs.delete(client);
    tab.page.gone();
  },
};

hearClients((client, message) => {
  let tab = tabs.get(client);
  if (!tab) {
    const page = pageStorage(client.tell);
    tab = {
      page,
      storages: { indexeddb: indexedDbStorage(), localstorage: page, off: noStorage() },
      kind: 'off',
      last: new Map(),
      stopWaiting() {},
    };
    tabs.set(client, tab);
  }
  ORDERS[message.does](client, tab, message);
});
others?.addEventListener('message', ({ data }) => hearEverywhere(data));

// A start that fails leaves rejections of Pyodide's own behind, also where another start follows (see
// core.js). Whether it has failed is said by loadMerge alone; in red in the console it helps nobody.
self.addEventListener('unhandledrejection', (event) => event.preventDefault());
loadMerge().then(
  (loaded) => {
    merge = loaded;
    for (const client of tabs.keys()) client.tell({ tells: 'ready' });
    if (!working) void work(merge);
  },
  (error) => fail(nameOf(error)),
);

/**
 * It can't be loaded a second time in here: the tabs close this worker and open another.
 *
 * @param {string} why
 */
function fail(why) {
  if (failure) return;
  failure = why;
  merge = undefined;
  for (const client of tabs.keys()) client.tell({ tells: 'failed', why });
  if ('onconnect' in self) self.close(); // a shared one lives on in the tabs that are told too late
}

/**
 * The core has failed at work. What it was started from may be the reason, so the next start is the plain one.
 *
 * @param {Broken} error
 */
async function spoilt(error) {
  await forgetIt().catch(() => {});
  fail(nameOf(error));
}

/**
 * @param {Client} client
 * @param {string} video
 * @param {string} node
 * @param {string} received
 */
function hear(client, video, node, received) {
  const job = { video, node, received };
  if (received) tabs.get(client)?.last.set(video, job);
  waiting.set(`${idOf(client)} ${video} ${node}`, { client, job });
  if (!working && merge) void work(merge);
}

/**
 * What is stored of this video has changed under all who watch it.
 *
 * @param {string} video
 */
function hearEverywhere(video) {
  for (const [client, tab] of tabs) {
    if (tab.last.has(video) && tab.kind !== 'off') hear(client, video, '', '');
  }
}

/** @param {import('./core.js').Merge} merge */
async function work(merge) {
  working = true;
  for (const [name, { client, job }] of waiting) {
    waiting.delete(name);
    const tab = tabs.get(client);
    if (tab) await mergeOne(merge, client, tab, job);
  }
  working = false;
}

/**
 * @param {import('./core.js').Merge} merge
 * @param {Client} client
 * @param {Tab} tab
 * @param {Job} job
 * @returns {Promise<void>}
 */
async function mergeOne(merge, client, tab, job) {
  const { video, node, received } = job;
  const kind = tab.kind;
  try {
    const { merged, before } = await mergeInto(merge, tab.storages[kind], video, received);
    const said = { tells: 'merged', ...merged, before, storage: kind };
    client.tell({ ...said, node, received });
    // Only news: an answer to a tab's own message would go back and forth for ever.
    if (!received || kind === 'off') return;
    for (const [other, { last, kind: its }] of tabs) {
      if (other !== client && its === kind && last.has(video))
        other.tell({ ...said, node: '', received: '' });
    }
    others?.postMessage(video);
  } catch (error) {
    if (error instanceof Garbage)
      return client.tell({ tells: 'garbage', video, why: nameOf(error) });
    if (error instanceof Broken) return spoilt(error);
    // The storage failed, not the merge: go on with the next one, from this very message.
    if (tab.kind === kind) tab.kind = INSTEAD[kind]; // unless the viewer has just chosen another
    client.tell({ tells: 'storage', kind: tab.kind, why: `${kind}: ${error}` });
    return mergeOne(merge, client, tab, job);
  }
}

function openOthers() {
  try {
    return new BroadcastChannel('ratchet');
  } catch {
    return undefined; // missing, or refused
  }
}

/** Every video that a tab watches. */
function watched() {
  return new Set([...tabs.values()].flatMap(({ last }) => [...last.keys()]));
}

/** @type {WeakMap<Client, number>} */
const ids = new WeakMap();
let clients = 0;

/** @param {Client} client */
function idOf(client) {
  if (!ids.has(client)) ids.set(client, (clients += 1));
  return ids.get(client);
}
