// The queue of snapshots to merge: the last one of each node, for each page and video.
//
// A node's counts only go up, so its newer snapshot has everything that its older one has. The
// newer one replaces the older one, and the queue stays short.

/**
 * @typedef {object} Job one merge
 * @property {string} video
 * @property {string} node the node that sent the snapshot
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

  /** The core is loaded: merges the waiting jobs, and all that are added from now on. */
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
    // This loop also reaches the jobs that are added meanwhile.
    for (const [key, { page, job }] of this.#waiting) {
      if (!this.#started) break;
      this.#waiting.delete(key);
      await this.#mergeOne(page, job);
    }
    this.#working = false;
  }
}
