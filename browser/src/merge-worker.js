// The worker: merges the snapshots that pages send into the stored states, with the core.

/**
 * @import { Merge } from './core.js'
 * @import { Client } from './merge-clients.js'
 * @import { FromPage, Outcome } from './merge-protocol.js'
 * @import { Job } from './merge-queue.js'
 * @import { PageStorage } from './storage/by-page.js'
 * @import { StorageKind, StoragePort, Stored } from './storage/port.js'
 */

import { loadMerge } from './core.js';
import { forgetIt } from './core-kept.js';
import { holdLife, onDeath } from './life.js';
import { isShared, listenToClients } from './merge-clients.js';
import { MergeQueue } from './merge-queue.js';
import { Broken, Garbage, mergeInto, nameOf, replaceIn } from './merge-step.js';
import { pageStorage } from './storage/by-page.js';
import { indexedDbStorage } from './storage/indexeddb.js';
import { noStorage } from './storage/off.js';

/**
 * @typedef {object} Page what is known of a client
 * @property {number} id
 * @property {Client['post']} post
 * @property {Record<StorageKind, StoragePort> & {localstorage: PageStorage}} storages
 * @property {StorageKind} kind the storage that it uses
 * @property {Map<string, Job>} last for each video that it watches, the last snapshot that it sent
 * @property {() => void} stopWaiting stops waiting for the page's end
 */

/** Which storage replaces one that failed. @type {Record<StorageKind, StorageKind>} */
const INSTEAD = { indexeddb: 'localstorage', localstorage: 'off', off: 'off' };

/** @type {Map<Client, Page>} */
const pages = new Map();
let pagesEver = 0;
/** @type {Merge | undefined} */
let merge;
let failure = '';
/** By this lock, pages notice that this worker is gone. */
const life = holdLife().name;
/** @type {MergeQueue<Page>} */
const queue = new MergeQueue(mergeOne);
// On this channel a worker names the videos that it has stored. Other workers (of pages that don't
// share one, and of other builds) then read them again.
const otherWorkers = openChannel();

listenToClients((client, message) => {
  const page = pages.get(client) ?? newPage(client);
  pages.set(client, page);
  receive(client, page, message);
});
otherWorkers?.addEventListener('message', ({ data: video }) => readAgain(video));

// A start that fails leaves unhandled rejections inside Pyodide, even if another start succeeds
// (see core.js). loadMerge reports whether it has failed; errors in the console help no viewer.
self.addEventListener('unhandledrejection', (event) => event.preventDefault());
loadMerge().then(
  (loaded) => {
    merge = loaded;
    for (const { post } of pages.values()) post({ type: 'ready' });
    queue.start();
  },
  (error) => fail(nameOf(error)),
);

/**
 * @param {Client} client
 * @returns {Page}
 */
function newPage({ post }) {
  pagesEver += 1;
  return {
    id: pagesEver,
    post,
    storages: { indexeddb: indexedDbStorage(), localstorage: pageStorage(post), off: noStorage() },
    kind: 'off',
    last: new Map(),
    stopWaiting() {},
  };
}

/**
 * @param {Client} client
 * @param {Page} page
 * @param {FromPage} message
 */
function receive(client, page, message) {
  switch (message.type) {
    case 'watch':
      watch(page, message.video, message.storage);
      break;
    case 'unwatch':
      page.last.delete(message.video);
      break;
    case 'merge':
      page.last.set(message.video, message);
      queue.add(page, message);
      break;
    case 'use-storage':
      page.kind = message.storage;
      // Merge the last snapshots into the storage that is now in use.
      for (const job of page.last.values()) queue.add(page, job);
      break;
    case 'clear':
      void clear(page);
      break;
    case 'replace':
      void replace(page, message.id, message.video, message.state);
      break;
    case 'storage-answer':
      page.storages.localstorage.answer(message);
      break;
    case 'life':
      // A page that crashes sends no `bye`.
      page.stopWaiting();
      page.stopWaiting = onDeath(message.life, () => forget(client, page));
      break;
    case 'bye':
      forget(client, page);
      break;
  }
}

/**
 * @param {Page} page
 * @param {string} video
 * @param {StorageKind} storage
 */
function watch(page, video, storage) {
  page.post({ type: 'life', life });
  page.kind = storage;
  page.last.set(video, { video, node: '', received: '' });
  if (merge) page.post({ type: 'ready' });
  else if (failure) page.post({ type: 'failed', why: failure });
  read(page, video);
}

/** @param {Page} page */
async function clear(page) {
  // Clear IndexedDB even if it is not in use now: the viewer means all storage.
  for (const kind of new Set([page.kind, /** @type {const} */ ('indexeddb')])) {
    await page.storages[kind].clear().catch(() => {}); // refused, so there is nothing in it
  }
  page.post({ type: 'cleared' });
  for (const video of page.last.keys()) read(page, video);
  everythingChanged();
}

/**
 * @param {Page} page
 * @param {number} id of the request
 * @param {string} video
 * @param {Stored} state
 */
async function replace(page, id, video, state) {
  try {
    if (!merge) throw new Error('the merge is not ready yet');
    if (page.kind === 'off') throw new Error('storage is off: there is nothing to put it into');
    await replaceIn(merge, page.storages[page.kind], video, state);
  } catch (error) {
    page.post({ type: 'replaced', id, why: nameOf(error) });
    if (error instanceof Broken) await failAtWork(error);
    return;
  }
  page.post({ type: 'replaced', id, why: '' });
  everythingChanged();
}

/**
 * @param {Client} client
 * @param {Page} page
 */
function forget(client, page) {
  page.stopWaiting();
  pages.delete(client);
  page.storages.localstorage.gone();
}

/**
 * @param {Page} page
 * @param {Job} job
 * @returns {Promise<void>}
 */
async function mergeOne(page, job) {
  if (!merge || ![...pages.values()].includes(page)) return;
  const { video, node, received } = job;
  const { kind } = page;
  try {
    const merged = await mergeInto(merge, page.storages[kind], video, received);
    page.post({ type: 'merged', merged: { ...merged, storage: kind, node, received } });
    // Pass on only what was received: workers that passed on what they only read would never stop.
    if (received && kind !== 'off') passOn(page, merged, kind);
  } catch (error) {
    if (error instanceof Garbage) {
      page.post({ type: 'garbage', video, why: nameOf(error) });
    } else if (error instanceof Broken) {
      await failAtWork(error);
    } else {
      // The storage failed, not the merge. Merge this snapshot into the next storage, or into one
      // that the viewer has just chosen.
      if (page.kind === kind) page.kind = INSTEAD[kind];
      page.post({ type: 'storage', kind: page.kind, why: `${kind}: ${error}` });
      await mergeOne(page, job);
    }
  }
}

/**
 * Sends the result to all other pages that watch this video in the same storage.
 *
 * @param {Page} page the page that has the result already
 * @param {Outcome & {before: Stored}} merged
 * @param {StorageKind} kind
 */
function passOn(page, merged, kind) {
  const news = { ...merged, storage: kind, node: '', received: '' };
  for (const other of pages.values()) {
    if (other === page || other.kind !== kind || !other.last.has(merged.video)) continue;
    other.post({ type: 'merged', merged: news });
  }
  otherWorkers?.postMessage(merged.video);
}

/**
 * Sends the page what is stored of a video: a merge of nothing.
 *
 * @param {Page} page
 * @param {string} video
 */
function read(page, video) {
  queue.add(page, { video, node: '', received: '' });
}

/**
 * The stored state of a video has changed: sends it to all pages that watch the video.
 *
 * @param {string} video
 */
function readAgain(video) {
  for (const page of pages.values()) {
    if (page.last.has(video) && page.kind !== 'off') read(page, video);
  }
}

/** The stored state of every video may have changed. Tells all pages, also those of other workers. */
function everythingChanged() {
  for (const video of new Set([...pages.values()].flatMap(({ last }) => [...last.keys()]))) {
    readAgain(video);
    otherWorkers?.postMessage(video);
  }
}

/**
 * The core failed at work. The snapshot that it was started from may be the reason, so the next
 * start is a plain one.
 *
 * @param {Broken} error
 */
async function failAtWork(error) {
  await forgetIt().catch(() => {});
  fail(nameOf(error));
}

/**
 * Python cannot be loaded twice in one worker: the pages close this worker and open another.
 *
 * @param {string} why
 */
function fail(why) {
  if (failure) return;
  failure = why;
  merge = undefined;
  queue.stop();
  for (const { post } of pages.values()) post({ type: 'failed', why });
  if (isShared(self)) self.close(); // a page that has not closed it yet would keep it alive
}

function openChannel() {
  try {
    return new BroadcastChannel('ratchet');
  } catch {
    return undefined; // missing, or refused
  }
}
