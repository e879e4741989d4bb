// Keeps a page connected to a worker that merges: opens one, notices its end, and opens another.

/**
 * @import { FromPage, FromWorker } from './merge-protocol.js'
 * @import { Kind as LinkKind, Link } from './merge-link.js'
 */

import { isSeen } from './attention.js';
import { Backoff, pause } from './backoff.js';
import { holdLife, onDeath } from './life.js';
import { linkKinds, openLink } from './merge-link.js';

// A browser that cannot run the worker at all ends up trying this seldom. One that has lost its
// node tries soon.
const LONGEST_PAUSE_MS = 5 * 60_000;
// A worker sends its first message as soon as its few scripts are loaded, long before Python is.
const SILENT_MS = 30_000;
// If a worker dies sooner than this after it was ready, the next one will probably die, too.
const LASTED_MS = 30_000;

/**
 * @typedef {object} ConnectionEvents
 * @property {() => void} opened there is a new worker, which does not know this page yet
 * @property {() => void} ready the worker merges from now on
 * @property {(why: string) => void} failed the worker is gone; another one is opened later
 * @property {() => void} closed the worker will not answer any more: called before `failed`, and when
 *   the page goes
 * @property {(message: FromWorker) => void} received any other message
 */

export class MergeConnection {
  #events;
  #backoff = new Backoff(LONGEST_PAUSE_MS);
  #kinds = linkKinds();
  /** The index in `#kinds` of the kind in use. */
  #at = 0;
  /** @type {Link | undefined} */
  #link;
  #ready = false;
  #ready_ms = 0;
  /** The name of our own life; empty until we hold its lock, and can send the name to the worker. */
  #ownLife = '';
  #endLife = () => {};
  /** The name of the worker's life, as the worker sent it. */
  #workerLife = '';
  #stopWaiting = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;

  /** @param {ConnectionEvents} events */
  constructor(events) {
    this.#events = events;
    // A page that goes closes its connection. If it comes back from the back-forward cache, it
    // needs a connection again.
    addEventListener('pagehide', () => this.#close());
    addEventListener('pageshow', ({ persisted }) => {
      if (persisted && !this.#link) this.open();
    });
  }

  /** Whether a worker merges now. */
  get ready() {
    return this.#ready;
  }

  /** The kind of link in use. @returns {LinkKind} */
  get kind() {
    return this.#kinds[this.#at];
  }

  open() {
    try {
      this.#link = openLink(this.kind, {
        received: (message) => this.#receive(message),
        broken: (why) => this.#nextKind(why),
      });
      this.#silence = setTimeout(() => this.#fail('the worker does not answer'), SILENT_MS);
      const { end } = holdLife((name) => {
        this.#ownLife = name;
        this.#postLife();
      });
      this.#endLife = end;
      this.#events.opened();
    } catch (error) {
      this.#nextKind(String(error));
    }
  }

  /**
   * Sends a message to the worker, if there is one.
   *
   * @param {FromPage} message
   */
  post(message) {
    this.#link?.post(message);
  }

  /** @param {FromWorker} message */
  #receive(message) {
    switch (message.type) {
      case 'new-worker':
        this.#events.opened();
        this.#postLife();
        break;
      case 'life':
        clearTimeout(this.#silence);
        this.#watchLife(message.life);
        break;
      case 'ready':
        if (this.#ready) break;
        this.#ready = true;
        this.#ready_ms = performance.now();
        this.#events.ready();
        break;
      case 'failed':
        this.#fail(message.why);
        break;
      default:
        this.#events.received(message);
    }
  }

  /** @param {string} life */
  #watchLife(life) {
    if (life === this.#workerLife) return;
    this.#stopWaiting();
    this.#workerLife = life;
    this.#stopWaiting = onDeath(life, () => {
      // The leading page was closed, as pages are. The next worker will probably do well.
      if (this.#ready && this.kind === 'leading') this.#backoff.reset();
      this.#fail('the worker is gone');
    });
  }

  #postLife() {
    if (this.#ownLife) this.post({ type: 'life', life: this.#ownLife });
  }

  /**
   * This kind of link leads to no worker: tries the next kind at once, if there is one.
   *
   * @param {string} why
   */
  #nextKind(why) {
    if (this.#at + 1 === this.#kinds.length) {
      this.#fail(why);
      this.#at = 0;
      return;
    }
    this.#close();
    this.#at += 1;
    this.open();
  }

  /**
   * Opens another worker later: the node may have gone while this one was being loaded.
   *
   * @param {string} why
   */
  #fail(why) {
    if (this.#ready && performance.now() - this.#ready_ms > LASTED_MS) this.#backoff.reset();
    this.#close();
    this.#events.failed(why);
    void this.#openLater();
  }

  async #openLater() {
    await pause(this.#backoff.next_ms());
    await isSeen(); // a page in the background needs no worker
    if (!this.#link) this.open();
  }

  #close() {
    clearTimeout(this.#silence);
    this.#stopWaiting();
    this.#endLife();
    this.#workerLife = '';
    this.#ownLife = '';
    this.#ready = false;
    this.#link?.close();
    this.#link = undefined;
    this.#events.closed();
  }
}
