// Announces a changing text to screen readers: only the newest text, and seldom.

// If a screen reader read every change of a number that ticks, it would never stop reading.
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
     * Announces this text: at once after a quiet time, else when the quiet time ends. A newer text
     * replaces one that waits.
     *
     * @param {string} text
     */
    changed(text) {
      waiting = text;
      timer ??= setTimeout(now, Math.max(0, announced_ms + QUIET_MS - performance.now()));
    },
    /** Announces the waiting text at once, because the reader caused the change. */
    now,
  };
}
