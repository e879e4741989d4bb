// Whether anybody can see the page, and whether the machine has just woken up or come back online.

// Long enough that switching tabs back and forth costs no reconnecting.
const UNSEEN_MS = 10_000;
// Timers stand still while a machine sleeps. A tick that is this late means that the machine slept;
// in a page that is only busy, no tick is this late.
const TICK_MS = 5_000;
const LATE_MS = 15_000;

/** Resolves when somebody can see the page; at once if it can be seen now. */
export async function isSeen() {
  while (document.hidden) {
    await new Promise((resolve) =>
      document.addEventListener('visibilitychange', resolve, { once: true }),
    );
  }
}

/**
 * @param {object} events
 * @param {(seen: boolean) => void} events.seen false after a while in the background, true at once
 *   when the page is back
 * @param {() => void} events.woke
 * @returns {{stop: () => void}}
 */
export function onAttention({ seen, woke }) {
  let last_ms = Date.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let leaving;
  let away = false;
  const leave = () => {
    away = true;
    seen(false);
  };
  const look = () => {
    clearTimeout(leaving);
    if (document.hidden) {
      leaving = setTimeout(leave, UNSEEN_MS);
      return;
    }
    // The page reconnects now. The next tick, which the background has delayed, must not do it
    // again.
    if (away) last_ms = Date.now();
    away = false;
    seen(true);
  };
  const ticking = setInterval(() => {
    const late_ms = Date.now() - last_ms;
    last_ms = Date.now();
    // In the background, browsers delay timers on purpose. (A clock that is set forward looks like
    // sleep: that is one reconnect too many.)
    if (late_ms > LATE_MS && !document.hidden) woke();
  }, TICK_MS);
  document.addEventListener('visibilitychange', look);
  globalThis.addEventListener('online', woke);
  look();
  return {
    stop() {
      clearTimeout(leaving);
      clearInterval(ticking);
      document.removeEventListener('visibilitychange', look);
      globalThis.removeEventListener('online', woke);
    },
  };
}
