// The number on the page: it only ever goes up, and this browser remembers how far it went.

import { announcer } from './announce.js';
import './format.js';

// Long enough to be seen as counting, too short to be waited for.
const COUNTING_MS = 600;
// A few more are a tick: the numbers between them would be there for hardly a frame.
const TICK = 10;

/**
 * @typedef {object} ViewsNumber
 * @property {(value: number) => void} raise shows `value`, unless a higher one is shown already
 * @property {() => void} announce says to a screen reader what the last `raise` came to, without waiting
 */

/**
 * Takes over the number that first-paint.js left in `element`.
 *
 * `data-value` is the true number at once; the text may take a moment to count up to it.
 *
 * @param {HTMLElement} element with `data-video` and `data-value`; what else shows the number
 *   (see format.js) or says it (`role=status`) is found in the `.count` around it
 * @param {import('./keep.js').Keep} keep
 * @returns {ViewsNumber}
 */
export function viewsNumber(element, keep) {
  const format = globalThis.viewsFormat(navigator.languages, document.documentElement.lang);
  const said = announcer(element.closest('.count')?.querySelector('[role="status"]') ?? null);
  const key = `high:${element.dataset.video}`;
  let target = Number(element.dataset.value);
  let shown = target;
  let frame = 0;

  const remember = () => {
    if (target > globalThis.viewsKept(keep.read(key))) keep.write(key, String(target));
  };

  /** @param {number} value */
  const show = (value) => {
    shown = value;
    format.write(element, shown);
  };

  /** From what is shown now, so a target that moves again never makes it jump back. */
  const countUp = () => {
    cancelAnimationFrame(frame);
    const from = shown;
    const began_ms = performance.now();
    /** @param {number} now_ms */
    const step = (now_ms) => {
      const rest = Math.max(0, 1 - (now_ms - began_ms) / COUNTING_MS);
      // Fast at first, then ever slower: the last digit is read while it comes to rest.
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
    // No frame comes to a hidden page, so the way there would only begin when it is seen again.
    if (target - shown < TICK || document.hidden || prefersStill()) show(target);
    else countUp();
    said.changed(`${format.exact(target)} ${format.unit(target)}`);
  };

  // Another tab went further: follow it. It wrote less (two tabs that read, then wrote at the same
  // moment): write ours again, so that the mark never falls for good.
  keep.listen((changed, text) => {
    if (changed !== key) return;
    raise(globalThis.viewsKept(text));
    remember();
  });
  // From the back-forward cache: it was told nothing meanwhile, and isn't to show less than the page before.
  globalThis.addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    raise(globalThis.viewsKept(keep.read(key)));
    show(target);
  });
  remember();
  return { raise, announce: said.now };
}

/** The reader asked her system for less motion. */
const prefersStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
