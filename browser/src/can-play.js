// Says when to start background work: once the clip can play, or when it clearly won't play soon.

// A phone that saves data loads nothing of a clip until it is played.
const LONGEST_MS = 4_000;

/**
 * @param {HTMLMediaElement} player
 * @returns {Promise<void>}
 */
export function canPlay(player) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      if ('requestIdleCallback' in window) requestIdleCallback(() => resolve(), { timeout: 1_000 });
      else resolve();
    };
    const timer = setTimeout(done, LONGEST_MS);
    if (player.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA || player.error) done();
    for (const event of ['loadeddata', 'error']) {
      player.addEventListener(event, done, { once: true });
    }
  });
}
