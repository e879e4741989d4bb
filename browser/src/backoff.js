// How long to wait before the next try: twice as long each time, up to a bound, with a random part.

const FIRST_MS = 400;
const LONGEST_MS = 15_000;

export class Backoff {
  #tries = 0;
  #longest_ms;

  constructor(longest_ms = LONGEST_MS) {
    this.#longest_ms = longest_ms;
  }

  /** Half to one and a half times the step: clients that are cut off together come back apart. */
  next_ms(longest_ms = this.#longest_ms) {
    const step_ms = Math.min(longest_ms, FIRST_MS * 2 ** this.#tries);
    this.#tries += 1;
    return step_ms * (0.5 + Math.random());
  }

  reset() {
    this.#tries = 0;
  }
}

/**
 * Waits; ends early when the network comes back, or when the signal is aborted.
 *
 * @param {number} wait_ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(wait_ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.('online', done);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, signal?.aborted ? 0 : wait_ms);
    globalThis.addEventListener?.('online', done);
    signal?.addEventListener('abort', done);
  });
}
