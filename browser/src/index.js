// The list page: keeps the counts of all clips on it live, by asking again every few seconds.
//
// A socket a clip would be dearer for the nodes than one small answer for the whole list.

import { isSeen } from './attention.js';
import { Backoff, pause } from './backoff.js';
import { openKeep } from './keep.js';
import { viewsNumber } from './number.js';
import { openOutbox } from './outbox.js';

// On the average: all pages that a node's return woke up at once drift apart again.
const EVERY_MS = 2_000;
const ANSWER_MS = 5_000;
const PAGE = 100;

const keep = openKeep();
const numbers = new Map(
  Array.from(
    /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-video]')),
    (element) => [element.dataset.video ?? '', viewsNumber(element, keep)],
  ),
);

openOutbox(
  keep,
  (video, views) => numbers.get(video)?.raise(views),
  () => {},
).resume();

// A node may count more than this page shows.
const last = [...numbers.keys()].sort().at(-1) ?? '';
const backoff = new Backoff();
while (numbers.size) {
  // In the background it costs nothing, and it asks at once when it is seen again.
  await isSeen();
  const heard = await ask();
  if (heard) backoff.reset();
  await pause(heard ? EVERY_MS * (0.75 + Math.random() / 2) : backoff.next_ms());
}

/** Asks for all counts, a page at a time; false when a node couldn't answer. */
async function ask() {
  try {
    let after = '';
    do {
      const query = new URLSearchParams({ limit: String(PAGE), ...(after && { after }) });
      const answer = await fetch(`/api/videos?${query}`, {
        cache: 'no-store',
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      if (!answer.ok) return false;
      const { videos, next } = await answer.json();
      for (const { video, views } of videos) numbers.get(video)?.raise(views);
      after = next;
    } while (after && after < last);
    return true;
  } catch {
    return false;
  }
}
