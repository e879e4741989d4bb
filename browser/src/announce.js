// Says a changing text to screen readers: the newest one, seldom, and never while nobody listens.

// A number that ticks would be read out without end.
const QUIET_MS = 20_000;

/**
 * @param {Element | null} region the page's live region; without one nothing is said
 */
export function announcer(region) {
  let waiting = '';
  let said_ms = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const now = () => {
    clearTimeout(timer);
    timer = undefined;
    if (!region || !waiting) return;
    region.textContent = waiting;
    waiting = '';
    said_ms = performance.now();
  };

  return {
    /**
     * At once after a quiet time; else when it is over, if this is the newest by then.
     *
     * @param {string} text
     */
    changed(text) {
      waiting = text;
      timer ??= setTimeout(now, Math.max(0, said_ms + QUIET_MS - performance.now()));
    },
    /** What has changed since, without waiting: the reader did it herself. */
    now,
  };
}
