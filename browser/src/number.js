// The number on the page: it only ever goes up, and this browser remembers how far it went.

/** @import { Keep } from './keep.js' */

import { announcer } from './announce.js';
import { highKey } from './keep.js';
import { rememberViews } from './overflow.js';
import './format.js';

// Long enough to be seen as counting, too short to be waited for.
const COUNTING_MS = 600;
// Don't count up for fewer views than this: it would be over in a few frames.
const TICK = 10;

/**
 * @typedef {object} ViewsNumber
 * @property {(value: number) => void} raise shows `value`, unless a higher one is shown already
 * @property {() => void} announce tells screen readers the number of the last `raise` without waiting
 */

/**
 * Takes over the number that first-paint.js left in `element`.
 *
 * `data-value` has the true number at once; the text may take a moment to count up to it.
 *
 * @param {HTMLElement} element with `data-video` and `data-value`. The `.count` around it holds the
 *   other places that show the number (see format.js) and its live region (`role=status`)
 * @param {Keep} keep
 * @returns {ViewsNumber}
 */
export function viewsNumber(element, keep) {
  const format = globalThis.viewsFormat(navigator.languages, document.documentElement.lang);
  const region = element.closest('.count')?.querySelector('[role="status"]') ?? null;
  const announcement = announcer(region);
  const video = element.dataset.video ?? '';
  const key = highKey(video);
  let target = Number(element.dataset.value);
  let shown = target;
  let frame = 0;

  const remember = () => rememberViews(keep, video, target);

  /** @param {number} value */
  const show = (value) => {
    shown = value;
    format.write(element, shown);
  };

  /** Starts from the number that is shown now, so it never jumps back when the target moves again. */
  const countUp = () => {
    cancelAnimationFrame(frame);
    const from = shown;
    const began_ms = performance.now();
    /** @param {number} now_ms */
    const step = (now_ms) => {
      const rest = Math.max(0, 1 - (now_ms - began_ms) / COUNTING_MS);
      // Fast at first, then ever slower, so that the last digit can be read as it comes to rest.
      show(Math.max(shown, target - Math.ceil((target - from) * rest ** 3)));
      if (shown < target) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  };

  /** @param {number} value */
  const raise = (value) => {
    if (!Number.isSafeInteger(value) || value <= target) return;
    target = value;
    element.dataset.value = String(target);
    remember();
    // A hidden page gets no frames: it would start to count up only when it is seen again.
    if (target - shown < TICK || document.hidden || prefersStill()) show(target);
    else countUp();
    announcement.changed(`${format.exact(target)} ${format.unit(target)}`);
  };

  // If another tab wrote a higher number, follow it. If it wrote a lower one (both tabs read, then
  // both wrote), write ours again, so that the stored number never stays too low.
  keep.onWrite((changed, text) => {
    if (changed !== key) return;
    raise(globalThis.viewsKept(text));
    remember();
  });
  // A page in the back-forward cache receives nothing. When it is back it must not show less than
  // the page before it did.
  globalThis.addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    raise(globalThis.viewsKept(keep.read(key)));
    show(target);
  });
  remember();
  return { raise, announce: announcement.now };
}

/** The reader has asked her system for less motion. */
const prefersStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
