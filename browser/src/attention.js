// Whether anybody can see the page, and whether the machine has just woken up or come back online.

// Switching tabs back and forth costs no reconnecting.
const UNSEEN_MS = 10_000;
// Timers stand still while a machine sleeps. One that comes so late has slept through something;
// a busy page alone is never this late.
const TICK_MS = 5_000;
const LATE_MS = 15_000;

/** Resolves when somebody can see the page; at once, if that is now. */
export async function isSeen() {
  while (document.hidden)
    await new Promise((seen) =>
      document.addEventListener('visibilitychange', seen, { once: true }),
    );
}

/**
 * @param {{seen: (seen: boolean) => void, woke: () => void}} tells `seen` false after a while in
 *   the background, true at once when it is back
 * @returns {{stop: () => void}}
 */
export function onAttention({ seen, woke }) {
  let last_ms = Date.now();
  let leaving = 0;
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
    // All is asked for anew now. A tick that was slowed down until now needn't do it once more.
    if (away) last_ms = Date.now();
    away = false;
    seen(true);
  };
  const ticking = setInterval(() => {
    const late_ms = Date.now() - last_ms;
    last_ms = Date.now();
    // In the background timers are slowed down on purpose. (A clock that is set forward looks
    // like sleep: one reconnect too many.)
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
