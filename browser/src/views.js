// Keeps one video's number right on a page: merges the nodes' messages into what this browser has stored.

/**
 * @import { Counter, CounterEvents } from './counter.js'
 * @import { Keep } from './keep.js'
 * @import { Live, LiveEvents } from './live.js'
 */

import { openCounter } from './counter.js';
import { follow } from './live.js';
import { ownValue } from './own-value.js';

/**
 * @typedef {Partial<LiveEvents & CounterEvents> & {raise: (value: number) => void}} ViewsEvents
 *   `raise`: a value to show, if it is higher than all values before
 *
 * @typedef {object} Views
 * @property {Live} live
 * @property {Omit<Counter, 'stop'>} counter
 * @property {() => void} stop
 */

/**
 * Watches `video` until it is stopped.
 *
 * @param {string} video
 * @param {Keep} keep
 * @param {ViewsEvents} events
 * @param {object} [options]
 * @param {string} [options.node] which node to ask the balancer for at first
 * @param {(events: LiveEvents) => Live} [options.connect] follows the video, if its messages come over a
 *   connection that the page has already
 * @param {Promise<unknown>} [options.mergeAfter] loads Python only when this resolves, so that it does
 *   not delay the clip. Until then the highest number of any one message is shown
 * @returns {Views}
 */
export function watchViews(
  video,
  keep,
  events,
  {
    node = '',
    mergeAfter = Promise.resolve(),
    connect = (received) => follow([video], received, node),
  } = {},
) {
  const nothing = () => {};
  /** The last snapshot before there was a counter. @type {[text: string, node: string] | undefined} */
  let early;
  /** @type {Counter | undefined} */
  let counter;
  let stopped = false;
  void mergeAfter.then(() => {
    if (stopped) return;
    counter = openCounter(video, keep, {
      merged(merged) {
        events.raise(merged.value);
        events.merged?.(merged);
      },
      state: events.state ?? nothing,
      storage: events.storage ?? nothing,
      log: events.log ?? nothing,
    });
    if (early) counter.merge(...early);
  });

  const live = connect({
    received(text, from, transport) {
      events.raise(ownValue(text));
      if (counter) counter.merge(text, from);
      else early = [text, from];
      events.received?.(text, from, transport);
    },
    lost: events.lost ?? nothing,
  });
  return {
    live,
    counter: {
      merge: (text, from) => counter?.merge(text, from),
      useStorage: () => counter?.useStorage(),
      clear: () => counter?.clear(),
      replace: (state) =>
        counter?.replace(state) ?? Promise.reject(new Error('the merge is not ready yet')),
    },
    stop() {
      stopped = true;
      live.stop();
      counter?.stop();
    },
  };
}
