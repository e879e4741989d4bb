// The worker: merges the snapshots that pages send into what is stored, with the core.

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
 * @property {() => void} stopWaiting for its end
 */

/** What to use instead of a storage that failed. @type {Record<StorageKind, StorageKind>} */
const INSTEAD = { indexeddb: 'localstorage', localstorage: 'off', off: 'off' };

/** @type {Map<Client, Page>} */
const pages = new Map();
let pagesEver = 0;
/** @type {Merge | undefined} */
let merge;
let failure = '';
/** Pages learn by it that this worker is gone. */
const life = holdLife().name;
/** @type {MergeQueue<Page>} */
const queue = new MergeQueue(mergeOne);
// Other workers (of pages that share none, and of other builds) read what was stored when they are
// told of it here.
const otherWorkers = openChannel();

listenToClients((client, message) => {
  const page = pages.get(client) ?? newPage(client);
  pages.set(client, page);
  receive(client, page, message);
});
otherWorkers?.addEventListener('message', ({ data: video }) => readAgain(video));

// A start that fails leaves rejections inside Pyodide behind, even where another start follows (see
// core.js). Whether it has failed is for loadMerge to say; an error in the console helps nobody.
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
      // A storage that comes into use gets what was received last.
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
      // A page that crashes says no good-bye.
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
  // IndexedDB also when it is not in use now: the viewer means everything.
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
    // Only news: workers that passed on what they merely read would do so for ever.
    if (received && kind !== 'off') passOn(page, merged, kind);
  } catch (error) {
    if (error instanceof Garbage) {
      page.post({ type: 'garbage', video, why: nameOf(error) });
    } else if (error instanceof Broken) {
      await failAtWork(error);
    } else {
      // The storage failed, not the merge. The next storage gets this very snapshot; the viewer may
      // just have chosen one.
      if (page.kind === kind) page.kind = INSTEAD[kind];
      page.post({ type: 'storage', kind: page.kind, why: `${kind}: ${error}` });
      await mergeOne(page, job);
    }
  }
}

/**
 * Tells all others who watch this video, in the same storage, what it has come to.
 *
 * @param {Page} page the one that knows already
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
 * Merges nothing into what is stored of a video: the page learns what it is.
 *
 * @param {Page} page
 * @param {string} video
 */
function read(page, video) {
  queue.add(page, { video, node: '', received: '' });
}

/**
 * What is stored of a video has changed under all pages that watch it.
 *
 * @param {string} video
 */
function readAgain(video) {
  for (const page of pages.values()) {
    if (page.last.has(video) && page.kind !== 'off') read(page, video);
  }
}

/** What is stored of every video may have changed, for the pages of other workers, too. */
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
