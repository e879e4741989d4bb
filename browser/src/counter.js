// The page's handle on the worker that merges: hands it snapshots, hears values, does its local storage.

import { isSeen } from './attention.js';
import { Backoff, pause } from './backoff.js';
import { holdLife, onDeath } from './life.js';
import { openLink, ways } from './merge-link.js';
import { forget, load, save } from './storage/localstorage.js';

// A browser that can't run it at all is asked again seldom; one that lost a node, soon.
const LONGEST_PAUSE_MS = 5 * 60_000;
// A worker says that it lives as soon as its few scripts are here, long before Python is.
const SILENT_MS = 30_000;
// One that dies sooner after it was ready dies of something that will be there again.
const LASTED_MS = 30_000;
const UNSURE = 'the worker went away meanwhile: look whether it was done';

/**
 * @typedef {object} Merged one merge: what came of it, and of what
 * @property {string} video
 * @property {number} value
 * @property {number} base
 * @property {{[slot: string]: number}} slots
 * @property {{[node: string]: number}} folded
 * @property {string[]} discarded what was stored and no state
 * @property {import('./storage/port.js').Stored} before what was stored
 * @property {string} received the snapshot's text; empty when only what is stored was looked at
 * @property {string} node from which it was received
 * @property {string} storage where it is stored now
 *
 * @typedef {object} Tells how one video's page hears of it
 * @property {(merged: Merged) => void} merged
 * @property {(state: 'ready' | 'failed', why: string, way: string) => void} state
 *   `way`: whose worker it is, 'shared', 'leading' or 'own'
 * @property {(kind: string, why: string) => void} storage another one is used now
 * @property {(line: string) => void} log
 *
 * @typedef {object} Counter one video's place in the worker
 * @property {(received: string, node: string) => void} merge
 * @property {() => void} useStorage the viewer has chosen another one
 * @property {() => void} clear forgets all that is stored
 * @property {(counter: string, folded: string) => Promise<void>} replace all that is stored by
 *   this; rejects when it is no state, and changes nothing then, unless the error is `unsure`
 * @property {() => void} stop
 */

/** The page's one connection to the worker. @type {Connection | undefined} */
let connection;

/**
 * @param {string} video
 * @param {import('./keep.js').Keep} keep
 * @param {Tells} tells
 * @returns {Counter}
 */
export function openCounter(video, keep, tells) {
  connection ??= new Connection(keep);
  return connection.watch(video, tells);
}

class Connection {
  #keep;
  #backoff = new Backoff(LONGEST_PAUSE_MS);
  #ways = ways();
  /** Which of the ways is used. */
  #at = 0;
  /** @type {import('./merge-link.js').Link | undefined} */
  #link;
  #ready = false;
  #ready_ms = 0;
  /** By what the worker learns of our end; empty until it may be told. */
  #ownLife = '';
  #endLife = () => {};
  /** The worker that lives, as it named itself. */
  #life = '';
  #stopWaiting = () => {};
  #silence = 0;
  /** @type {Map<string, {tells: Tells, last: object | undefined}>} */
  #videos = new Map();
  /** @type {Map<number, (why: string) => void>} */
  #replacing = new Map();
  #replaced = 0;

  /** @param {import('./keep.js').Keep} keep */
  constructor(keep) {
    this.#keep = keep;
    // A page that goes is told of no more; one that comes back (from the back-forward cache) is.
    addEventListener('pagehide', () => this.#close());
    addEventListener('pageshow', ({ persisted }) => persisted && !this.#link && this.#open());
    this.#open();
  }

  /** @param {string} video @param {Tells} tells @returns {Counter} */
  watch(video, tells) {
    /** @type {{tells: Tells, last: object | undefined}} */
    const watched = { tells, last: undefined };
    this.#videos.set(video, watched);
    this.#watch(video);
    if (this.#ready) tells.state('ready', '', this.#link?.way ?? '');
    return {
      merge: (received, node) => {
        watched.last = { does: 'merge', video, received, node };
        this.#order(watched.last);
      },
      useStorage: () => this.#order({ does: 'storage', storage: this.#wanted() }),
      clear: () => this.#order({ does: 'clear' }),
      replace: (counter, folded) => this.#replace(video, counter, folded),
      stop: () => {
        this.#videos.delete(video);
        this.#order({ does: 'unwatch', video });
      },
    };
  }

  /** @type {{[tells: string]: (message: any) => void}} */
  #hear = {
    new: () => {
      this.#watchAll();
      this.#sayLife();
    },
    life: ({ life }) => {
      clearTimeout(this.#silence);
      if (life === this.#life) return;
      this.#stopWaiting();
      this.#life = life;
      this.#stopWaiting = onDeath(life, () => {
        // The tab that led has gone, as tabs do. That says nothing of how the next worker will fare.
        if (this.#ready && this.#link?.way === 'leading') this.#backoff.reset();
        this.#failed('the worker is gone');
      });
    },
    ready: () => {
      if (this.#ready) return;
      this.#ready = true;
      this.#ready_ms = performance.now();
      this.#all((tells) => tells.state('ready', '', this.#link?.way ?? ''));
    },
    failed: ({ why }) => this.#failed(why),
    merged: (merged) => this.#videos.get(merged.video)?.tells.merged(merged),
    garbage: ({ video, why }) =>
      this.#videos.get(video)?.tells.log(`a snapshot was not merged: ${why}`),
    storage: ({ kind, why }) => this.#all((tells) => tells.storage(kind, why)),
    cleared: () => this.#all((tells) => tells.log('what was stored is cleared')),
    replaced: ({ id, why }) => this.#replacing.get(id)?.(why),
    ask: ({ id, ask, video, stored }) => {
      let answer = {};
      try {
        if (ask === 'load') answer = { stored: load(this.#keep, video) };
        else if (ask === 'save') save(this.#keep, video, stored);
        else forget(this.#keep);
      } catch (error) {
        answer = { why: String(error) };
      }
      this.#order({ does: 'answer', id, ...answer });
    },
  };

  #open() {
    try {
      const ends = {
        heard: (/** @type {any} */ message) => this.#hear[message.tells](message),
        broke: (/** @type {string} */ why) => this.#broke(why),
      };
      this.#link = openLink(this.#ways[this.#at], ends);
      this.#silence = setTimeout(() => this.#failed('the worker does not answer'), SILENT_MS);
      const { end } = holdLife((name) => {
        this.#ownLife = name;
        this.#sayLife();
      });
      this.#endLife = end;
      this.#watchAll();
    } catch (error) {
      this.#broke(String(error));
    }
  }

  #close() {
    clearTimeout(this.#silence);
    this.#stopWaiting();
    this.#endLife();
    this.#life = this.#ownLife = '';
    for (const settle of this.#replacing.values()) settle(UNSURE);
    this.#link?.close();
    this.#link = undefined;
    this.#ready = false;
  }

  /**
   * This way leads to no worker: try the next one, at once if there is one.
   *
   * @param {string} why
   */
  #broke(why) {
    this.#at = (this.#at + 1) % this.#ways.length;
    if (this.#at === 0) return this.#failed(why);
    this.#close();
    this.#open();
  }

  /**
   * A worker that can't merge is opened again: its node may have gone away in the middle of it.
   *
   * @param {string} why
   */
  #failed(why) {
    const { way = this.#ways.at(-1) ?? '' } = this.#link ?? {};
    if (this.#ready && performance.now() - this.#ready_ms > LASTED_MS) this.#backoff.reset();
    this.#close();
    this.#all((tells) => tells.state('failed', why, way));
    void this.#openLater();
  }

  async #openLater() {
    await pause(this.#backoff.next_ms());
    await isSeen(); // in the background it costs nothing
    this.#link ?? this.#open();
  }

  #sayLife() {
    if (this.#ownLife) this.#order({ does: 'lives', life: this.#ownLife });
  }

  #watchAll() {
    for (const [video, { last }] of this.#videos) {
      this.#watch(video);
      if (last) this.#order(last);
    }
  }

  /** @param {string} video */
  #watch(video) {
    this.#order({ does: 'watch', video, storage: this.#wanted() });
  }

  /**
   * @param {string} video
   * @param {string} counter
   * @param {string} folded
   * @returns {Promise<void>}
   */
  #replace(video, counter, folded) {
    if (!this.#ready) return Promise.reject(new Error('the merge is not ready yet'));
    const id = (this.#replaced += 1);
    return new Promise((resolve, reject) => {
      this.#replacing.set(id, (why) => {
        this.#replacing.delete(id);
        if (why) reject(Object.assign(new Error(why), { unsure: why === UNSURE }));
        else resolve();
      });
      this.#order({ does: 'replace', id, video, counter, folded });
    });
  }

  /** What the page itself is refused, its worker need not try. */
  #wanted() {
    if (this.#keep.kind !== 'indexeddb') return this.#keep.kind;
    try {
      return window.indexedDB ? 'indexeddb' : 'localstorage';
    } catch {
      return 'localstorage';
    }
  }

  /** @param {object} message */
  #order(message) {
    this.#link?.post(message);
  }

  /** @param {(tells: Tells) => void} tell */
  #all(tell) {
    for (const { tells } of this.#videos.values()) tell(tells);
  }
}
