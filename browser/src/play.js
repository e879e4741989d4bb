// What a view is: playback that really began, once from the clip's start to its end.
//
// Pausing, seeking and buffering belong to the same view; watching again after the end is a new one.
// A clip can be played as soon as it stands in the page, before this script is loaded: that counts, too.

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
  if (player.played.length === 0) return;
  began();
  counted = !player.ended;
}
