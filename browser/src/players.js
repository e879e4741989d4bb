// Finds the players of a page, and says when a view begins, whatever becomes of the page.
//
// It listens to the whole document while an event is on its way to a player. So it knows of players
// that come, move or change their ids, and keeps no list of them. (It does not see players in a shadow
// root: their events do not leave it.)

import { isVideoId } from './video-id.js';

const ATTRIBUTE = 'data-ratchet';
// HTMLMediaElement.HAVE_FUTURE_DATA: a player that has as much and is not paused plays.
const HAVE_FUTURE_DATA = 3;
// Players report their time four times a second. A larger step is a jump: the machine slept, say.
const LONGEST_STEP_S = 2;
// How much of a short clip is most of it.
const MOST = 0.9;

/**
 * Calls `began` when playback has begun, and again only after the clip's end, or when the player has
 * another id. Pausing, seeking and buffering belong to the same view.
 *
 * @param {(video: string) => void} began
 * @param {number} after_s how much of it must be watched first; of a shorter clip, most of it
 * @param {(text: string) => void} warn
 */
export function onViews(began, after_s, warn) {
  /** @type {WeakMap<HTMLMediaElement, View>} */
  const views = new WeakMap();

  /** @param {HTMLMediaElement} player */
  function plays(player) {
    const video = player.closest(`[${ATTRIBUTE}]`)?.getAttribute(ATTRIBUTE);
    if (video === null || video === undefined) return;
    if (!isVideoId(video)) {
      warn(`${ATTRIBUTE} is a video id of 1 to 64 of A-Z a-z 0-9 _ -, not "${video}".`);
      return;
    }
    const view = views.get(player);
    if (view?.video === video && !view.isOver) view.goOn();
    else views.set(player, new View(player, video, began, after_s));
  }

  /** @type {Record<string, (player: HTMLMediaElement) => void>} */
  const handlers = {
    playing: plays,
    timeupdate: (player) => views.get(player)?.watched(),
    seeking: (player) => views.get(player)?.goOn(),
    ended: (player) => views.get(player)?.end(),
  };
  for (const [name, handler] of Object.entries(handlers)) {
    const handle = (/** @type {Event} */ { target }) => {
      if (target instanceof HTMLMediaElement) handler(target);
    };
    document.addEventListener(name, handle, { capture: true, passive: true });
  }
  // A viewer can play a clip before this script is loaded. (Just after `playing`, nothing is played
  // yet: the picture comes a little later.)
  for (const player of /** @type {NodeListOf<HTMLMediaElement>} */ (
    document.querySelectorAll('video, audio')
  )) {
    const isPlaying = !player.paused && player.readyState >= HAVE_FUTURE_DATA;
    if (isPlaying || player.played.length > 0) plays(player);
    if (player.ended) views.get(player)?.end();
  }
}

/** One view of a player. */
class View {
  video;
  isOver = false;
  #player;
  #began;
  /** How long it has to be watched until it counts, how long it was, and where it is. */
  #after_s;
  #watched_s = 0;
  #at_s;
  #isCounted = false;

  /**
   * @param {HTMLMediaElement} player
   * @param {string} video
   * @param {(video: string) => void} began
   * @param {number} after_s
   */
  constructor(player, video, began, after_s) {
    this.video = video;
    this.#player = player;
    this.#began = began;
    this.#after_s = after_s;
    this.#at_s = player.currentTime;
    if (after_s === 0) this.#count();
  }

  /** It goes on, perhaps somewhere else. */
  goOn() {
    this.#at_s = this.#player.currentTime;
  }

  watched() {
    const { currentTime, duration, playbackRate } = this.#player;
    const step_s = currentTime - this.#at_s;
    this.#at_s = currentTime;
    if (step_s <= 0 || step_s > LONGEST_STEP_S * Math.max(1, playbackRate)) return;
    this.#watched_s += step_s;
    // Some recordings have an infinite duration until their end is known.
    if (this.#watched_s >= Math.min(this.#after_s, MOST * (duration || Infinity))) this.#count();
  }

  end() {
    this.watched();
    this.isOver = true;
  }

  #count() {
    if (!this.#isCounted) this.#began(this.video);
    this.#isCounted = true;
  }
}
