// One connection for all videos of a page. Without websockets, a browser keeps only six connections
// to a host open: a seventh stream would wait for ever, and so would every other request.

/**
 * @import { Live, LiveEvents } from './live.js'
 */

import { follow } from './live.js';

/** A node sends no more over one connection. */
export const MOST_VIDEOS = 100;
// The elements of a page come one after the other: connect once for all of them.
const FIRST_MS = 50;
// A video that comes later waits a little, so that many of them cost one new connection.
const LATER_MS = 1_000;

/**
 * @typedef {object} Together
 * @property {(video: string, events: LiveEvents) => Live} follow one video; each may be followed once
 */

/**
 * @param {typeof follow} [connect]
 * @returns {Together}
 */
export function liveTogether(connect = follow) {
  /** @type {Map<string, LiveEvents>} */
  const followed = new Map();
  /** @type {ReturnType<typeof connect> | undefined} */
  let live;
  let changes = false;

  /** @type {LiveEvents} */
  const all = {
    received(text, node, transport) {
      followed.get(videoIn(text))?.received(text, node, transport);
    },
    lost(why, transport) {
      for (const { lost } of followed.values()) lost(why, transport);
    },
  };

  function change() {
    changes = false;
    if (!followed.size) {
      live?.stop();
      live = undefined;
    } else if (live) live.change([...followed.keys()]);
    else live = connect([...followed.keys()], all);
  }

  function changeSoon() {
    if (!changes) setTimeout(change, live ? LATER_MS : FIRST_MS);
    changes = true;
  }

  return {
    follow(video, events) {
      const add = () => {
        followed.set(video, events);
        changeSoon();
      };
      const remove = () => {
        if (followed.get(video) === events && followed.delete(video)) changeSoon();
      };
      add();
      return {
        pause: (paused) => (paused ? remove() : add()),
        pin: (node) => live?.pin(node),
        stop: remove,
      };
    },
  };
}

/**
 * The video of a snapshot; empty if the text is none.
 *
 * @param {string} text
 */
function videoIn(text) {
  try {
    return String(JSON.parse(text).video ?? '');
  } catch {
    return '';
  }
}
