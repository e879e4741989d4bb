// The frame behind <view-count>: watches videos for the page around it and sends it their numbers.
//
// It does what our own pages do: it follows live messages, merges them in the worker, and reads
// what this browser has stored. view-count.js lists the messages. The frame accepts messages only
// from the page around it, and only if that page's site is listed. (For any other site, the browser
// has already refused to show the frame.)

/**
 * @import { Views } from '../views.js'
 *
 * @typedef {object} Watched
 * @property {number} highest the highest number that this browser has shown; below 0 if there is none
 * @property {Views} [views] set once a node has said that the video exists
 */

import { highKey, openKeep } from '../keep.js';
import { liveTogether, MOST_VIDEOS } from '../live-together.js';
import { missingViews, rememberViews, settleOverflow } from '../overflow.js';
import { isVideoId } from '../video-id.js';
import { watchViews } from '../views.js';
import '../format.js';

// The page around the frame comes first.
const IDLE_MS = 5_000;
const ANSWER_MS = 5_000;

const root = document.documentElement;
const origins = new Set((root.dataset.origins ?? '').split(' ').filter(Boolean));
const format = globalThis.viewsFormat(navigator.languages, root.lang);
const keep = openKeep();
const together = liveTogether();
const missing = missingViews(keep);
void missing.then(() => settleOverflow(keep));

/** @type {Map<string, Watched>} */
const watched = new Map();
/** The origin of the page around; empty until that page has sent a message. */
let around = '';

/** @param {object} message */
function post(message) {
  if (around) parent.postMessage(message, around);
}

/** @param {string} video */
function postViews(video) {
  const views = watched.get(video)?.highest ?? -1;
  if (views >= 0) post({ video, views, exact: format.exact(views), short: format.short(views) });
}

/** The merge waits until the page around has nothing better to do. */
const idle = new Promise((resolve) => {
  const begin = () => {
    if ('requestIdleCallback' in globalThis) requestIdleCallback(resolve, { timeout: IDLE_MS });
    else setTimeout(resolve, IDLE_MS);
  };
  if (document.readyState === 'complete') begin();
  else addEventListener('load', begin);
});

/**
 * @param {string} video
 * @returns {Promise<void>}
 */
async function watch(video) {
  if (watched.has(video)) {
    postViews(video);
    return;
  }
  const refused = refusalOf(video);
  if (refused) {
    post({ video, refused });
    return;
  }
  /** @type {Watched} */
  const now = { highest: globalThis.viewsKept(keep.read(highKey(video))) };
  watched.set(video, now);
  now.highest = Math.max(now.highest, (await missing).get(highKey(video)) ?? -1);
  if (watched.get(video) !== now) return; // forgotten meanwhile
  postViews(video);

  // Ask first, so that no connection is tried again and again for a video that the site doesn't
  // count. The number in the answer can be shown at once; the merge follows.
  const answer = await ask(video);
  if (watched.get(video) !== now) return; // forgotten meanwhile
  if (answer.error === 'unknown_video') {
    watched.delete(video);
    post({ video, refused: 'the site counts no such video.' });
    return;
  }
  raise(video, Number(answer.views));
  const events = { raise: (/** @type {number} */ value) => raise(video, value) };
  now.views = watchViews(video, keep, events, {
    mergeAfter: idle,
    connect: (received) => together.follow(video, received),
  });
}

/** @param {string} video */
function refusalOf(video) {
  if (!isVideoId(video)) return 'this is no video’s id.';
  if (watched.size >= MOST_VIDEOS) return `a page shows ${MOST_VIDEOS} videos at most.`;
  return '';
}

/**
 * A node's answer; empty if none comes (an error page of a balancer, no network).
 *
 * @param {string} video
 * @returns {Promise<{error?: string, views?: number}>}
 */
async function ask(video) {
  try {
    const response = await fetch(`/api/videos/${video}`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return (await response.json()) ?? {};
  } catch {
    return {};
  }
}

/**
 * @param {string} video
 * @param {number} value
 */
function raise(video, value) {
  const now = watched.get(video);
  if (!now || !Number.isSafeInteger(value) || value <= now.highest) return;
  now.highest = value;
  rememberViews(keep, video, value);
  postViews(video);
}

/** @param {string} video */
function forget(video) {
  watched.get(video)?.views?.stop();
  watched.delete(video);
}

// The viewer's choice, made on the site itself, holds here as well.
keep.onChoice(() => {
  for (const { views } of watched.values()) views?.counter.useStorage();
});

// Another page with such a frame may know a higher number.
keep.onWrite((changed, text) => {
  for (const video of watched.keys()) {
    if (changed === highKey(video)) raise(video, globalThis.viewsKept(text));
  }
});

addEventListener('message', ({ source, origin, data }) => {
  const isListed = origins.has(origin) || (origins.has('*') && origin !== 'null');
  const mayAsk = isListed || origin === location.origin;
  if (source !== parent || parent === window || !mayAsk) return;
  around = origin;
  post({ here: true });
  if (typeof data?.watch === 'string') void watch(data.watch);
  if (typeof data?.forget === 'string') forget(data.forget);
});
