// Everything that makes one video's number right on a page: what nodes say, merged with what this
// browser has seen.

import { openCounter } from './counter.js';
import { follow } from './live.js';
import { ownValue } from './own-value.js';

/**
 * @typedef {object} Tells
 * @property {(value: number) => void} raise a value to show; the highest of all counts
 * @property {import('./live.js').Tells['heard']} [heard]
 * @property {import('./live.js').Tells['lost']} [lost]
 * @property {import('./counter.js').Tells['merged']} [merged]
 * @property {import('./counter.js').Tells['state']} [state] of the merge
 * @property {import('./counter.js').Tells['storage']} [storage]
 * @property {import('./counter.js').Tells['log']} [log]
 *
 * @typedef {object} Views
 * @property {import('./live.js').Following} live
 * @property {Omit<import('./counter.js').Counter, 'stop'>} counter
 * @property {() => void} stop
 */

/**
 * Watches `video` until it is stopped.
 *
 * @param {string} video
 * @param {import('./keep.js').Keep} keep
 * @param {Tells} tells
 * @param {object} [how]
 * @param {string} [how.node] which node to ask the balancer for at first
 * @param {Promise<unknown>} [how.mergeAfter] before that Python is not loaded, so that it takes nothing
 *   from what people came for. Until then the highest number that any one node says is shown.
 * @returns {Views}
 */
export function watchViews(video, keep, tells, { node = '', mergeAfter = Promise.resolve() } = {}) {
  const nothing = () => {};
  /** What was heard last before there was a counter. @type {[string, string] | undefined} */
  let early;
  /** @type {import('./counter.js').Counter | undefined} */
  let counter;
  let stopped = false;
  void mergeAfter.then(() => {
    if (stopped) return;
    counter = openCounter(video, keep, {
      merged(merged) {
        tells.raise(merged.value);
        tells.merged?.(merged);
      },
      state: tells.state ?? nothing,
      storage: tells.storage ?? nothing,
      log: tells.log ?? nothing,
    });
    if (early) counter.merge(...early);
  });

  /** @type {import('./live.js').Tells} */
  const hears = {
    heard(text, from, way) {
      tells.raise(ownValue(text));
      if (counter) counter.merge(text, from);
      else early = [text, from];
      tells.heard?.(text, from, way);
    },
    lost: tells.lost ?? nothing,
  };
  const live = follow(video, hears, node);
  return {
    live,
    counter: {
      merge: (received, node) => counter?.merge(received, node),
      useStorage: () => counter?.useStorage(),
      clear: () => counter?.clear(),
      replace: async (state, folded) => {
        if (!counter) throw new Error('the merge is not ready yet');
        await counter.replace(state, folded);
      },
    },
    stop() {
      stopped = true;
      live.stop();
      counter?.stop();
    },
  };
}
