// What waits to be merged: for each page and video the last snapshot of each node, one at a time.
//
// Nodes only go up, so an older snapshot of a node has nothing that its newer one lacks: the newer
// one takes its place, and what waits stays small.

/**
 * @typedef {object} Job one merge
 * @property {string} video
 * @property {string} node who sent the snapshot
 * @property {string} received the snapshot's text; empty to read only what is stored
 */

/** @template {{readonly id: number}} Page */
export class MergeQueue {
  #mergeOne;
  #started = false;
  #working = false;
  /** @type {Map<string, {page: Page, job: Job}>} */
  #waiting = new Map();

  /** @param {(page: Page, job: Job) => Promise<void>} mergeOne must not reject */
  constructor(mergeOne) {
    this.#mergeOne = mergeOne;
  }

  /**
   * @param {Page} page
   * @param {Job} job
   */
  add(page, job) {
    this.#waiting.set(`${page.id} ${job.video} ${job.node}`, { page, job });
    void this.#work();
  }

  /** The core is there: merges what waits, and from now on whatever is added. */
  start() {
    this.#started = true;
    void this.#work();
  }

  /** The core is gone for good: merges nothing more. */
  stop() {
    this.#started = false;
  }

  async #work() {
    if (this.#working) return;
    this.#working = true;
    // What is added meanwhile comes at the end of this very loop.
    for (const [key, { page, job }] of this.#waiting) {
      if (!this.#started) break;
      this.#waiting.delete(key);
      await this.#mergeOne(page, job);
    }
    this.#working = false;
  }
}
