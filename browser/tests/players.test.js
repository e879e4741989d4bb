// What a view is.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { onViews } from '../src/players.js';

/** The parts of a clip's element that the script uses, as they are when the script is loaded. It is the
 * whole document, too. */
class Player extends EventTarget {
  currentTime = 0;
  /**
   * @param {number} played how many stretches of it were played
   * @param {boolean} ended
   * @param {number} readyState
   * @param {boolean} paused
   */
  constructor(played = 0, ended = false, readyState = 4, paused = true) {
    super();
    this.played = { length: played };
    this.ended = ended;
    this.readyState = readyState;
    this.paused = paused;
  }

  querySelectorAll() {
    return [this];
  }

  closest() {
    return this;
  }

  getAttribute() {
    return 'tide';
  }
}

/**
 * How many views there are after these events.
 *
 * @param {Player} player
 * @returns {(...events: string[]) => number}
 */
function viewsOf(player) {
  let views = 0;
  Object.assign(globalThis, { document: player, HTMLMediaElement: Player });
  onViews(
    (video) => {
      assert.equal(video, 'tide');
      views += 1;
    },
    0,
    assert.fail,
  );
  return (...events) => {
    for (const name of events) player.dispatchEvent(new Event(name));
    return views;
  };
}

test('a play is counted once from its start to its end, however often it pauses', () => {
  const after = viewsOf(new Player());
  const views = [after(), after('playing'), after('playing', 'ended'), after('playing')];
  assert.deepEqual(views, [0, 1, 1, 2]);
});

test('a clip that was played before the script was loaded counts, and not again before its end', () => {
  const playing = viewsOf(new Player(1));
  assert.deepEqual([playing(), playing('playing'), playing('ended', 'playing')], [1, 1, 2]);
  const over = viewsOf(new Player(1, true));
  assert.deepEqual([over(), over('playing')], [1, 2]);
});

test('a clip that has just begun to play counts once, although nothing of it is played yet', () => {
  const playing = viewsOf(new Player(0, false, 3, false));
  assert.deepEqual([playing(), playing('playing'), playing('ended', 'playing')], [1, 1, 2]);
});

test('a clip that still waits for data counts when it plays', () => {
  const waiting = viewsOf(new Player(0, false, 2, false));
  assert.deepEqual([waiting(), waiting('playing')], [0, 1]);
});
