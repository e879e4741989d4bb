// Follows the numbers of a counting site from a page of another site, without a frame and without Python.
//
// All videos of a page come over one stream of events. Where that can't be, the page asks for all of
// them at once, now and then. Each message is the number that one node has. The highest one that this
// browser has seen is shown, so the number never falls. (A replica in the browser can know a higher
// number than each of the nodes that it has heard: see frame.js.)

/** @import { Connection, Way } from '../transports.js' */

import { isSeen } from '../attention.js';
import { pause } from '../backoff.js';
import { follow } from '../live.js';
import { liveTogether } from '../live-together.js';
import { ownValue } from '../own-value.js';
import { byEvents } from '../transports.js';

const ANSWER_MS = 5_000;
const POLL_MS = 5_000;
// A stream begins with the numbers of all its videos. After this time, those that are missing are asked
// for: perhaps the site doesn't count them.
const MISSING_MS = 5_000;
// A page that the site doesn't list never gets an answer.
const UNHEARD_MS = 10 * 60_000;

/**
 * @typedef {object} LightEvents
 * @property {(video: string, views: number) => void} views
 * @property {(video: string) => void} unknown the site counts no such video
 * @property {() => void} unanswered nothing has ever come, on any way
 *
 * @typedef {object} Light
 * @property {(video: string) => void} watch
 * @property {(video: string) => void} forget
 */

/**
 * @param {string} site its origin
 * @param {LightEvents} events
 * @returns {Light}
 */
export function lightSite(site, events) {
  /** @type {Map<string, {heard: boolean, stop: () => void}>} */
  const watched = new Map();
  let answered = false;
  let looksForMissing = false;

  /**
   * @param {readonly string[]} videos
   * @returns {Promise<boolean>} whether a node has answered
   */
  async function ask(videos) {
    const response = await fetch(`${site}/api/videos?ids=${videos}`, {
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const answer = response.ok ? await response.json() : {};
    // A node of an earlier version answers with a page of all videos.
    if (!Array.isArray(answer.videos) || 'next' in answer) return false;
    /** @type {Map<string, unknown>} */
    const known = new Map(answer.videos.map((/** @type {any} */ one) => [one.video, one.views]));
    for (const video of videos) {
      if (known.has(video)) take(video, Number(known.get(video)));
      else if (watched.has(video)) events.unknown(video);
    }
    answered = true;
    return true;
  }

  /**
   * @param {string} video
   * @param {number} views
   */
  function take(video, views) {
    const it = watched.get(video);
    if (!it || !Number.isSafeInteger(views)) return;
    it.heard = true;
    events.views(video, views);
  }

  /** @param {Connection} connection */
  async function byAsking({ videos, received, stay_ms, signal }) {
    const end_ms = performance.now() + (stay_ms ?? 0);
    while (!signal.aborted && (await ask(videos))) {
      received(''); // it delivers
      if (performance.now() > end_ms) return;
      await pause(POLL_MS * (0.5 + Math.random()), signal);
    }
  }

  function lookForMissing() {
    if (looksForMissing) return;
    looksForMissing = true;
    setTimeout(() => {
      looksForMissing = false;
      const missing = [...watched].filter(([, { heard }]) => !heard).map(([video]) => video);
      if (answered && missing.length) ask(missing).catch(() => {}); // the stream goes on
    }, MISSING_MS);
  }

  /** @type {readonly Way[]} */
  const ways = [
    ['events', byEvents],
    ['polling', byAsking],
  ];
  const together = liveTogether((videos, received) =>
    follow(videos, received, '', { site, ways, unheard_ms: UNHEARD_MS }),
  );

  /** @param {string} video */
  function start(video) {
    lookForMissing();
    return together.follow(video, {
      received(text) {
        answered = true;
        take(video, ownValue(text));
      },
      lost(_why, transport) {
        if (transport === 'polling' && !answered) events.unanswered();
      },
    });
  }

  return {
    watch(video) {
      const now = { heard: false, stop() {} };
      watched.set(video, now);
      // A page in the background costs nothing.
      void isSeen().then(() => {
        if (watched.get(video) === now) now.stop = start(video).stop;
      });
    },
    forget(video) {
      watched.get(video)?.stop();
      watched.delete(video);
    },
  };
}
