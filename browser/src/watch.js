// The watch page, put together: the only place that knows all of its parts.
'use strict';

import { startCounter } from './counter.js';
import { openKeep } from './keep.js';
import { follow } from './live.js';
import { viewsNumber } from './number.js';
import { openOutbox } from './outbox.js';
import { ownValue } from './own-value.js';
import { openPanel } from './panel.js';
import { onPlay } from './play.js';

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const began_ms = performance.now();
const video = byId('views').dataset.video ?? '';
const node = document.documentElement.dataset.node ?? '';

const keep = openKeep();
const number = viewsNumber(byId('views'), keep);

const panel = openPanel(
  byId('panel'),
  byId('panel-toggle'),
  { node, storageOn: keep.on },
  {
    storage(on) {
      keep.turn(on);
      panel.log(`local storage is switched ${on ? 'on' : 'off'}`);
      counter.useStorage();
    },
    clear() {
      keep.clear();
      counter.clear();
    },
  },
);
if (keep.problem) panel.log(`local storage is refused: ${keep.problem}`);

const counter = startCounter(video, keep, {
  merged(merged) {
    number.raise(merged.value);
    panel.showStored(merged);
    panel.showStorage(merged.storage);
    if (merged.discarded.length) panel.log(`stored, but no state, so left out: ${merged.discarded}`);
  },
  state(state, why) {
    const after_s = ((performance.now() - began_ms) / 1000).toFixed(1);
    panel.showMerge(state === 'ready' ? `ready after ${after_s} s` : 'off: each node’s own number is shown');
    if (why) panel.log(`the merge can’t run here: ${why}`);
  },
  storage(kind, why) {
    panel.showStorage(kind);
    panel.log(`stored in ${kind} from now on; ${why}`);
  },
  log: panel.log,
});

void follow(
  video,
  (text, from, way) => {
    number.raise(ownValue(text));
    counter.merge(text, from);
    panel.showNode(from || 'unknown');
    panel.showLive(way);
    panel.showReceived(text);
    panel.log(`${from || '?'} by ${way}: ${text}`);
  },
  (way) => {
    panel.showLive('connecting');
    panel.log(`${way} ended`);
  },
);

const outbox = openOutbox(
  keep,
  (answered, views) => {
    if (answered === video) number.raise(views);
  },
  panel.log,
);
onPlay(/** @type {HTMLVideoElement} */ (byId('player')), () => outbox.count(video));
outbox.resume();
