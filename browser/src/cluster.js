// The operators' page: asks its node each second how the cluster is, and shows the answer.
//
// In a hidden tab it sends no request. When the node does not answer, the page says so, and since
// when. The last report stays, marked as old: at such a moment an operator wants to read it.

/** @import { ClusterState } from './cluster-state.js' */

import { isSeen } from './attention.js';
import { pause } from './backoff.js';
import { openHistory } from './cluster-history.js';
import { openPlot } from './cluster-plot.js';
import { openView } from './cluster-view.js';
import { byId, write } from './elements.js';
import { duration } from './english.js';

const EVERY_MS = 1_000;
const ANSWER_MS = 5_000;

const fresh = byId('fresh');
const history = openHistory();
const view = openView(document.documentElement.dataset.node ?? '');
const plot = openPlot(history);
/** @type {number | undefined} */
let answered_ms;

for (;;) {
  if (document.hidden) {
    write(fresh, 'paused while this tab is hidden');
    await isSeen();
  }
  const asked_ms = Date.now();
  show(await ask());
  plot.draw();
  await pause(Math.max(100, EVERY_MS - (Date.now() - asked_ms)));
}

/**
 * Asks once.
 *
 * @returns {Promise<{state: ClusterState} | {why: string}>} `why`: the reason for no answer
 */
async function ask() {
  try {
    const response = await fetch('/api/cluster', {
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const content = await response.json();
    if (response.ok) return { state: content };
    return { why: `It refuses (${response.status}): ${content.message}` };
  } catch {
    return { why: 'It may have stopped, or the network to it is down.' };
  }
}

/** @param {{state: ClusterState} | {why: string}} answer */
function show(answer) {
  if ('state' in answer) {
    answered_ms = Date.now();
    write(fresh, 'live, each second');
    fresh.dataset.mood = 'well';
    history.add(answered_ms, answer.state);
    view.show(answer.state);
    return;
  }
  const silent =
    answered_ms === undefined ? '' : ` for ${duration((Date.now() - answered_ms) / 1000)}`;
  write(fresh, `no answer${silent}`);
  fresh.dataset.mood = 'act';
  view.silent(answer.why, answered_ms === undefined ? undefined : new Date(answered_ms));
}
