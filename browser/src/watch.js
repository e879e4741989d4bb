// The watch page, put together: the only file that knows all of its parts.

import { showByDay } from './by-day.js';
import { canPlay } from './can-play.js';
import { byId } from './elements.js';
import { openEventLog } from './event-log.js';
import { openKeep } from './keep.js';
import { liveState } from './live-state.js';
import { openNetwork } from './network.js';
import { viewsNumber } from './number.js';
import { openOutbox } from './outbox.js';
import { settleOverflow } from './overflow.js';
import { onViews } from './players.js';
import { watchViews } from './views.js';

const video = byId('views').dataset.video ?? '';
const player = /** @type {HTMLVideoElement} */ (byId('player')); // the page's one <video>

const keep = openKeep();
await globalThis.viewsKnown;
const number = viewsNumber(byId('views'), keep);
const network = openNetwork();
const live = liveState(byId('live-state'), network);
const events = openEventLog();
void settleOverflow(keep);

/** @param {string} line */
const log = (line) => events.add({ kind: 'log', line });
if (keep.problem) log(`local storage is refused: ${keep.problem}`);

const views = watchViews(
  video,
  keep,
  {
    raise: number.raise,
    received(text, from, transport) {
      network.received();
      live.received();
      events.add({ kind: 'received', text, node: from, transport });
    },
    lost(why, transport) {
      live.lost(why);
      events.add({ kind: 'lost', why, transport });
    },
    merged: (merged) => events.add({ kind: 'merged', merged }),
    state: (state, why, worker) =>
      events.add({ kind: 'merge', state, why, worker, after_ms: performance.now() }),
    storage: (storage, why) => events.add({ kind: 'storage', storage, why }),
    log,
  },
  {
    // A page with ?node=NAME (see the panel) gets its messages from that node, too.
    node: new URLSearchParams(location.search).get('node') ?? '',
    mergeAfter: canPlay(player),
  },
);
keep.onChoice(views.counter.useStorage);

const plot = document.querySelector('#by-day');
const byDay =
  plot instanceof SVGElement ? showByDay(plot, byId('by-day-title'), video, keep) : undefined; // the node keeps no days

const outbox = openOutbox(keep, {
  counted(counted, value, pending) {
    if (counted !== video) return;
    number.raise(value);
    if (pending) return; // it comes later, as the views of others do
    number.announce(); // the viewer waits for this number
    void byDay?.viewed();
  },
  log,
});
// First send the views that earlier pages left: a clip that is playing already adds a view at once.
outbox.resume();
onViews(outbox.count, 0, log);

const { node = '', playground = '', panel } = document.documentElement.dataset;
if (panel) {
  const toggle = byId('panel-toggle');
  // The node may go before it has sent the panel. The number needs no panel.
  const loaded = await import('./panel/panel.js').catch((error) =>
    log(`the panel did not load: ${error}`),
  );
  toggle.hidden = !loaded;
  loaded?.openPanel(byId('panel'), toggle, {
    video,
    node,
    playground,
    keep,
    views,
    events,
    network,
  });
}
