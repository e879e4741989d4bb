// A page's handle on the worker that merges: sends it snapshots, and passes on the results.
//
// A page has one connection, for all of its videos. The worker at the other end may be replaced at
// any time. Then the page tells the new worker which videos it has, and the last snapshot of each.

/**
 * @import { Keep } from './keep.js'
 * @import { FromPage, FromWorker, Merged, MergeRequest } from './merge-protocol.js'
 * @import { Kind as LinkKind } from './merge-link.js'
 * @import { StorageKind, Stored } from './storage/port.js'
 */

import { MergeConnection } from './merge-connection.js';
import { answerStorage } from './storage/localstorage.js';

/**
 * @typedef {object} CounterEvents what happens to one video
 * @property {(merged: Merged) => void} merged
 * @property {(state: 'ready' | 'failed', why: string, worker: LinkKind) => void} state of the worker
 * @property {(kind: StorageKind, why: string) => void} storage another storage is used now
 * @property {(line: string) => void} log
 *
 * @typedef {object} Counter one video's place in the worker
 * @property {(received: string, node: string) => void} merge
 * @property {() => void} useStorage the viewer has chosen another storage
 * @property {() => void} clear forgets everything that is stored, of every video
 * @property {(state: Stored) => Promise<void>} replace puts this state in place of everything that
 *   is stored. Rejects when it is no valid state; then nothing has changed. Rejects with `Unsure`
 *   when it is not known whether the state was replaced
 * @property {() => void} stop
 *
 * @typedef {object} Watched
 * @property {CounterEvents} events
 * @property {MergeRequest | undefined} last
 */

/** The worker went away before it answered. */
export class Unsure extends Error {}

/** The page's one. @type {Counters | undefined} */
let counters;

/**
 * @param {string} video
 * @param {Keep} keep
 * @param {CounterEvents} events
 * @returns {Counter}
 */
export function openCounter(video, keep, events) {
  counters ??= new Counters(keep);
  return counters.watch(video, events);
}

class Counters {
  #keep;
  /** @type {Map<string, Watched>} */
  #videos = new Map();
  /** @type {Map<number, (error?: Error) => void>} */
  #replacing = new Map();
  #replaced = 0;
  #connection;

  /** @param {Keep} keep */
  constructor(keep) {
    this.#keep = keep;
    this.#connection = new MergeConnection({
      opened: () => this.#introduce(),
      ready: () => this.#tellState('ready', ''),
      failed: (why) => this.#tellState('failed', why),
      closed: () => this.#giveUpReplacing(),
      received: (message) => this.#receive(message),
    });
    this.#connection.open();
  }

  /**
   * @param {string} video
   * @param {CounterEvents} events
   * @returns {Counter}
   */
  watch(video, events) {
    /** @type {Watched} */
    const watched = { events, last: undefined };
    this.#videos.set(video, watched);
    this.#watch(video);
    if (this.#connection.ready) events.state('ready', '', this.#connection.kind);
    return {
      merge: (received, node) => {
        watched.last = { type: 'merge', video, received, node };
        this.#post(watched.last);
      },
      useStorage: () => this.#post({ type: 'use-storage', storage: this.#storage() }),
      clear: () => this.#post({ type: 'clear' }),
      replace: (state) => this.#replace(video, state),
      stop: () => {
        this.#videos.delete(video);
        this.#post({ type: 'unwatch', video });
      },
    };
  }

  /** @param {FromWorker} message */
  #receive(message) {
    switch (message.type) {
      case 'merged':
        this.#videos.get(message.merged.video)?.events.merged(message.merged);
        break;
      case 'garbage':
        this.#videos.get(message.video)?.events.log(`a snapshot was not merged: ${message.why}`);
        break;
      case 'storage':
        this.#all((events) => events.storage(message.kind, message.why));
        break;
      case 'cleared':
        this.#all((events) => events.log('what was stored is cleared'));
        break;
      case 'replaced':
        this.#replacing.get(message.id)?.(message.why ? new Error(message.why) : undefined);
        break;
      case 'storage-request':
        this.#post(answerStorage(this.#keep, message));
        break;
    }
  }

  /** Tells a new worker which videos this page watches, and the last snapshot of each. */
  #introduce() {
    for (const [video, { last }] of this.#videos) {
      this.#watch(video);
      if (last) this.#post(last);
    }
  }

  /** @param {string} video */
  #watch(video) {
    this.#post({ type: 'watch', video, storage: this.#storage() });
  }

  /**
   * @param {string} video
   * @param {Stored} state
   * @returns {Promise<void>}
   */
  #replace(video, state) {
    if (!this.#connection.ready) return Promise.reject(new Error('the merge is not ready yet'));
    this.#replaced += 1;
    const id = this.#replaced;
    return new Promise((resolve, reject) => {
      this.#replacing.set(id, (error) => {
        this.#replacing.delete(id);
        if (error) reject(error);
        else resolve();
      });
      this.#post({ type: 'replace', id, video, state });
    });
  }

  #giveUpReplacing() {
    const why = 'the worker went away meanwhile: look whether it was done';
    for (const settle of this.#replacing.values()) settle(new Unsure(why));
  }

  /** What the browser refuses to the page, the worker need not try. @returns {StorageKind} */
  #storage() {
    if (this.#keep.kind !== 'indexeddb') return this.#keep.kind;
    try {
      return window.indexedDB ? 'indexeddb' : 'localstorage';
    } catch {
      return 'localstorage';
    }
  }

  /** @param {FromPage} message */
  #post(message) {
    this.#connection.post(message);
  }

  /**
   * @param {'ready' | 'failed'} state
   * @param {string} why
   */
  #tellState(state, why) {
    this.#all((events) => events.state(state, why, this.#connection.kind));
  }

  /** @param {(events: CounterEvents) => void} tell */
  #all(tell) {
    for (const { events } of this.#videos.values()) tell(events);
  }
}
