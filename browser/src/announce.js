// Announces a changing text to screen readers: the newest one, seldom.

// Read out at each change, a number that ticks would never end.
const QUIET_MS = 20_000;

/** @param {Element | null} region the page's live region; without one nothing is announced */
export function announcer(region) {
  let waiting = '';
  let announced_ms = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const now = () => {
    clearTimeout(timer);
    timer = undefined;
    if (!region || waiting === '') return;
    region.textContent = waiting;
    waiting = '';
    announced_ms = performance.now();
  };

  return {
    /**
     * Announces this text: at once after a quiet time, else at its end, unless a newer text has
     * come by then.
     *
     * @param {string} text
     */
    changed(text) {
      waiting = text;
      timer ??= setTimeout(now, Math.max(0, announced_ms + QUIET_MS - performance.now()));
    },
    /** Announces what has changed without waiting: the reader has done it herself. */
    now,
  };
}
