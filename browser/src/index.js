// The list page: keeps the counts of all its clips up to date by asking again every few seconds.
//
// One small response for the whole list costs a node less than a socket for each clip.

import { isSeen } from './attention.js';
import { Backoff, pause } from './backoff.js';
import { openKeep } from './keep.js';
import { viewsNumber } from './number.js';
import { openOutbox } from './outbox.js';
import { settleOverflow } from './overflow.js';

// On average. The time varies, so that pages that a node's return woke up together drift apart
// again.
const EVERY_MS = 2_000;
const ANSWER_MS = 5_000;
const PAGE = 100;

const keep = openKeep();
await globalThis.viewsKnown;
void settleOverflow(keep);
/** @type {NodeListOf<HTMLElement>} */
const elements = document.querySelectorAll('[data-video]');
const numbers = new Map(
  Array.from(elements, (element) => [element.dataset.video ?? '', viewsNumber(element, keep)]),
);

openOutbox(keep, {
  counted: (video, views) => numbers.get(video)?.raise(views),
  log() {},
}).resume();

// A node may count more videos than this page shows. Don't ask for those before and after them.
const before = new URLSearchParams(location.search).get('after') ?? '';
const last = [...numbers.keys()].sort().at(-1) ?? '';
const backoff = new Backoff();
while (numbers.size) {
  // A page in the background costs nothing, and asks at once when it is seen again.
  await isSeen();
  const answered = await ask();
  if (answered) backoff.reset();
  await pause(answered ? EVERY_MS * (0.75 + Math.random() / 2) : backoff.next_ms());
}

/** Asks for all counts, a page of the list at a time. Returns false when no node could answer. */
async function ask() {
  try {
    let after = before;
    do {
      const query = new URLSearchParams({ limit: String(PAGE), ...(after && { after }) });
      const response = await fetch(`/api/videos?${query}`, {
        cache: 'no-store',
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      if (!response.ok) return false;
      /** @type {{videos: {video: string, views: number}[], next: string | null}} */
      const { videos, next } = await response.json();
      for (const { video, views } of videos) numbers.get(video)?.raise(views);
      after = next ?? '';
    } while (after && after < last);
    return true;
  } catch {
    return false;
  }
}
