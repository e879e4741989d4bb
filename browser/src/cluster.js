// The operators' page: asks its node each second how the cluster is, and shows it.
//
// In a hidden tab it asks nothing. When the node doesn't answer it says so, and since when; what it
// last knew stays, marked as old: at such a moment that is what one wants to read.

import { history } from './cluster-history.js';
import { openPlot } from './cluster-plot.js';
import { openView } from './cluster-view.js';
import { duration } from './words.js';
import { pause } from './backoff.js';

const EVERY_MS = 1_000;
const ANSWER_MS = 5_000;

const node = document.documentElement.dataset.node ?? '';
const fresh = /** @type {HTMLElement} */ (document.getElementById('fresh'));
const seen = history();
const view = openView(node);
const plot = openPlot(seen);

/** @type {number | undefined} */
let heard_ms;

for (;;) {
  if (document.hidden) {
    fresh.textContent = 'paused while this tab is hidden';
    await new Promise((shown) =>
      document.addEventListener('visibilitychange', shown, { once: true }),
    );
    continue;
  }
  const asked_ms = Date.now();
  const refusal = await ask();
  if (refusal === undefined) {
    heard_ms = Date.now();
    fresh.textContent = 'live, each second';
    fresh.dataset.mood = 'good';
  } else {
    const since = heard_ms === undefined ? '' : ` for ${duration((Date.now() - heard_ms) / 1000)}`;
    fresh.textContent = `no answer${since}`;
    fresh.dataset.mood = 'bad';
    view.silent(refusal, heard_ms === undefined ? undefined : new Date(heard_ms));
  }
  plot.draw();
  await pause(Math.max(100, EVERY_MS - (Date.now() - asked_ms)));
}

/** Asks once and shows the answer; else why there is none. */
async function ask() {
  let state;
  try {
    const answer = await fetch('/api/cluster', {
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    state = await answer.json();
    if (!answer.ok) return `It refuses (${answer.status}): ${state.message}`;
  } catch {
    return 'It may have stopped, or the network to it is down.';
  }
  // Not within the try: a fault of the page must not look like a silent node.
  seen.add(Date.now(), state);
  view.show(state);
}
