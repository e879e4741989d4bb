// Says when a view begins: when playback really begins, and again only after the clip's end.
//
// Pausing, seeking and buffering belong to the same view. Watching again after the end is a new
// view. A viewer can play the clip before this script is loaded: that counts, too.

// HTMLMediaElement.HAVE_FUTURE_DATA: a clip that has as much and is not paused plays.
const HAVE_FUTURE_DATA = 3;

/**
 * @param {HTMLMediaElement} player
 * @param {() => void} began
 */
export function onPlay(player, began) {
  let counted = false;
  player.addEventListener('playing', () => {
    if (!counted) began();
    counted = true;
  });
  player.addEventListener('ended', () => {
    counted = false;
  });
  // Just after `playing`, nothing is played yet: the picture comes a little later.
  const plays = !player.paused && player.readyState >= HAVE_FUTURE_DATA;
  if (!plays && player.played.length === 0) return;
  began();
  counted = !player.ended;
}
