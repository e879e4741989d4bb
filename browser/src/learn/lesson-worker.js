// The page's handle on the lesson's worker: sends it orders, and gets one answer for each.

/** @import { Answer, Request, Response } from './protocol.js' */

/**
 * @typedef {object} LessonEvents
 * @property {(how: 'snapshot' | 'plain') => void} ready orders are answered from now on
 * @property {(why: string) => void} failed orders will never be answered
 */

/** @param {LessonEvents} events */
export function openLessonWorker(events) {
  let requests = 0;
  /** @type {Map<number, (answer: Answer | undefined) => void>} */
  const waiting = new Map();
  /** @type {Worker | undefined} */
  let worker;
  try {
    worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    worker.addEventListener('error', (event) => {
      events.failed(event.message || 'its script didn’t come');
    });
    worker.addEventListener('message', ({ data }) => receive(data));
  } catch (error) {
    events.failed(String(error));
  }

  /** @param {Response} message */
  function receive(message) {
    switch (message.type) {
      case 'ready':
        events.ready(message.how);
        break;
      case 'failed':
        events.failed(message.why);
        break;
      case 'answer':
        settle(message.id, message.answer);
        break;
      case 'refused':
        // The order was offered, but is not possible any more: after two quick clicks.
        settle(message.id, undefined);
        break;
    }
  }

  /**
   * @param {number} id
   * @param {Answer | undefined} answer
   */
  function settle(id, answer) {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  }

  return {
    /** Whether this is the last order so far. @param {number} id */
    isLast: (id) => id === requests,
    /**
     * @param {string[]} orders
     * @param {boolean} afresh whether to start again from the beginning of a story
     * @returns {{id: number, answer: Promise<Answer | undefined>}} no answer if it is not possible
     */
    order(orders, afresh) {
      requests += 1;
      const id = requests;
      const answer = new Promise((resolve) => {
        waiting.set(id, resolve);
        /** @type {Request} */
        const request = { id, orders, afresh };
        worker?.postMessage(request);
      });
      return { id, answer };
    },
  };
}
