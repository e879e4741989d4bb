// The watch page, put together: the only place that knows all of its parts.

import { canPlay } from './can-play.js';
import { openKeep } from './keep.js';
import { liveState } from './live-state.js';
import { viewsNumber } from './number.js';
import { openOutbox } from './outbox.js';
import { onPlay } from './play.js';
import { openStory } from './story.js';
import { watchViews } from './views.js';

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const video = byId('views').dataset.video ?? '';
const player = /** @type {HTMLVideoElement} */ (byId('player'));

const keep = openKeep();
const number = viewsNumber(byId('views'), keep);
const live = liveState(byId('live-state'));
const story = openStory();
if (keep.problem) story.tell({ kind: 'log', line: `local storage is refused: ${keep.problem}` });

/** @param {number} value */
function raise(value) {
  number.raise(value);
  story.tell({ kind: 'shown', value });
}

/** @param {string} line */
const log = (line) => story.tell({ kind: 'log', line });

const views = watchViews(
  video,
  keep,
  {
    raise,
    heard(text, node, way) {
      live.heard();
      story.tell({ kind: 'heard', text, node, way });
    },
    lost(state, way) {
      live.lost(state);
      story.tell({ kind: 'lost', state, way });
    },
    merged: (merged) => story.tell({ kind: 'merged', ...merged }),
    state: (state, why, way) =>
      story.tell({ kind: 'merge', state, why, way, after_ms: performance.now() }),
    storage: (storage, why) => story.tell({ kind: 'storage', storage, why }),
    log,
  },
  // A page that was asked of one node (see the panel) asks for its messages there, too.
  { node: new URLSearchParams(location.search).get('node') ?? '', mergeAfter: canPlay(player) },
);
keep.onChoice(views.counter.useStorage);

const outbox = openOutbox(
  keep,
  (answered, value) => {
    if (answered !== video) return;
    raise(value);
    number.announce(); // the viewer waits for this one
  },
  log,
);
// First what earlier pages have left: a clip that plays already adds one more at once.
outbox.resume();
onPlay(player, () => outbox.count(video));

const { node = '', playground = '', panel } = document.documentElement.dataset;
if (panel) {
  const toggle = byId('panel-toggle');
  // The node may go before it has come. The number doesn't need it.
  const part = await import('./panel/panel.js').catch((error) =>
    log(`the panel did not load: ${error}`),
  );
  toggle.hidden = !part;
  part?.openPanel(byId('panel'), toggle, { video, node, playground, keep, views, story });
}
