// The frame behind <view-count>: watches videos for the page around it and tells it their numbers.
//
// It runs what our own pages run: live messages, the merge in the worker, what this browser has
// stored. What it says, and to whom, is in view-count.js; it listens to the page that holds it and
// to nobody else, and only if that is of a listed site. (The browser has refused all others already.)

import '../format.js';
import { openKeep } from '../keep.js';
import { watchViews } from '../views.js';

// Each is a connection and some work in the worker.
const MOST_VIDEOS = 100;
const VIDEO = /^[A-Za-z0-9_-]{1,64}$/;
// The page around it comes first.
const IDLE_MS = 5_000;
const ANSWER_MS = 5_000;

const root = document.documentElement;
const origins = new Set((root.dataset.origins ?? '').split(' ').filter(Boolean));
const format = globalThis.viewsFormat(navigator.languages, root.lang);
const keep = openKeep();

/**
 * @typedef {object} Watched
 * @property {number} highest of all that this browser has shown; below 0 until there is one
 * @property {import('../views.js').Views} [views] once the video is known to be one
 */

/** @type {Map<string, Watched>} */
const watched = new Map();
/** The site of the page around; empty until it has asked for something. */
let around = '';

/** @param {object} message */
function tell(message) {
  if (around) parent.postMessage(message, around);
}

/** @param {string} video */
function tellViews(video) {
  const views = watched.get(video)?.highest ?? -1;
  if (views >= 0) tell({ video, views, exact: format.exact(views), short: format.short(views) });
}

/** A frame's work begins when the page around it has nothing better to do. */
const idle = new Promise((resolve) => {
  const begin = () => {
    if ('requestIdleCallback' in globalThis) requestIdleCallback(resolve, { timeout: IDLE_MS });
    else setTimeout(resolve, IDLE_MS);
  };
  if (document.readyState === 'complete') begin();
  else addEventListener('load', begin);
});

/** @param {string} video @returns {Promise<void>} */
async function watch(video) {
  if (watched.has(video)) return tellViews(video);
  if (!VIDEO.test(video)) return tell({ video, refused: 'this is no video’s id.' });
  if (watched.size >= MOST_VIDEOS)
    return tell({ video, refused: `a page shows ${MOST_VIDEOS} videos at most.` });
  const key = `high:${video}`;
  /** @type {Watched} */
  const now = { highest: globalThis.viewsKept(keep.read(key)) };
  watched.set(video, now);
  tellViews(video);

  // Before a connection is tried again and again for a video that nobody counts. And what a node
  // says by itself is a number that may be shown; the merge follows.
  const said = await ask(video);
  if (watched.get(video) !== now) return; // forgotten meanwhile
  if (said.error === 'unknown_video') {
    watched.delete(video);
    return tell({ video, refused: 'the site counts no such video.' });
  }
  raise(video, Number(said.views));
  now.views = watchViews(
    video,
    keep,
    { raise: (value) => raise(video, value) },
    { mergeAfter: idle },
  );
}

/**
 * A node's answer; what is none (a balancer's page, no network) may pass.
 *
 * @param {string} video
 * @returns {Promise<{error?: string, views?: number}>}
 */
async function ask(video) {
  try {
    const answer = await fetch(`/api/videos/${video}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return (await answer.json()) ?? {};
  } catch {
    return {};
  }
}

/** @param {string} video @param {number} value */
function raise(video, value) {
  const now = watched.get(video);
  if (!now || !Number.isSafeInteger(value) || value <= now.highest) return;
  now.highest = value;
  if (value > globalThis.viewsKept(keep.read(`high:${video}`)))
    keep.write(`high:${video}`, String(value));
  tellViews(video);
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

// Another page that holds such a frame went further.
keep.listen((key, text) => {
  if (key.startsWith('high:')) raise(key.slice('high:'.length), globalThis.viewsKept(text));
});

addEventListener('message', ({ source, origin, data }) => {
  const listed = origins.has(origin) || (origins.has('*') && origin !== 'null');
  if (source !== parent || parent === window || !listed) return;
  around = origin;
  tell({ here: true });
  if (typeof data?.watch === 'string') void watch(data.watch);
  if (typeof data?.forget === 'string') forget(data.forget);
});
