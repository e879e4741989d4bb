// Puts the open panel together: the sentence, the states, the timeline, and the controls.

/**
 * @import { Means } from './controls.js'
 * @import { Facts } from './facts.js'
 * @import { Memory } from './memory.js'
 * @import { Page } from './panel.js'
 * @import { Summary } from './summary.js'
 * @import { Timeline } from './timeline.js'
 * @import { Column } from './bars.js'
 */

import { announcer } from '../announce.js';
import { write } from '../elements.js';
import { openAgeControls } from './age-controls.js';
import { openBars } from './bars.js';
import { openDemoNodes } from './demo-nodes.js';
import { make, section } from './dom.js';
import { openExchange } from './exchange-controls.js';
import { openNodeChoice } from './node-choice.js';
import { openSentence } from './sentence.js';
import { openStorageControls } from './storage-controls.js';
import { usage } from './usage.js';

// How often to redraw texts such as "3 min ago", which need not be exact to the second.
const AGES_MS = 5_000;

/**
 * @param {HTMLElement} frame
 * @param {object} panel
 * @param {Page} panel.page
 * @param {Facts} panel.facts
 * @param {Memory} panel.memory
 * @param {Summary} panel.summary
 * @param {Timeline} panel.timeline
 * @param {HTMLElement} panel.raw the raw states
 * @param {() => void} panel.changed
 */
export function openInside(frame, { page, facts, memory, summary, timeline, raw, changed }) {
  // The panel's one live region: for a new reason for the number, and for the result of a click.
  const region = make('p', { className: 'unseen' });
  region.setAttribute('role', 'status');
  const voice = announcer(region);
  /** @type {Means} */
  const means = {
    page,
    facts,
    memory,
    changed,
    pause(paused) {
      facts.paused = paused;
      page.views.live.pause(paused);
    },
    say(where, text, mood) {
      where.dataset.mood = mood ?? '';
      write(where, text);
      voice.changed(text);
      voice.now();
    },
  };
  const sentence = openSentence(page, facts, voice);
  const bars = openBars();
  const nodes = openNodeChoice(means);
  const storage = openStorageControls(means);
  const age = openAgeControls(means);
  const demo = page.playground ? openDemoNodes(page.playground, means, nodes.offer) : undefined;
  frame.replaceChildren(
    sentence.element,
    summary.element,
    section('What it is made of', 'states', bars.element),
    timeline.element,
    ...(demo ? [demo.element] : []),
    make(
      'div',
      { className: 'play' },
      nodes.element,
      age.element,
      storage.element,
      openExchange(means),
    ),
    raw,
    region,
  );

  let open = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  const look = () => {
    const isSeen = open && !document.hidden;
    demo?.watch(isSeen);
    clearInterval(timer);
    if (!isSeen) return;
    void usage(page.keep).then(summary.used);
    void nodes.ask();
    timer = setInterval(() => {
      void usage(page.keep).then(summary.used);
      changed();
    }, AGES_MS);
  };
  document.addEventListener('visibilitychange', look);
  for (const event of ['online', 'offline']) addEventListener(event, () => open && changed());

  return {
    /** @param {boolean} wanted */
    watch(wanted) {
      open = wanted;
      look();
    },
    draw() {
      sentence.draw();
      bars.draw(columnsOf(facts));
      nodes.draw();
      storage.draw();
      age.draw();
    },
  };
}

/**
 * @param {Facts} facts
 * @returns {Column[]}
 */
function columnsOf({ before, received, merged, merge, storage }) {
  return [
    { key: 'stored', name: 'Stored', state: before, from: 'before the last message' },
    {
      key: 'received',
      name: 'Received',
      state: received?.state,
      from: received ? `last, from ${received.node || 'a node'}` : 'nothing yet',
    },
    { key: 'merged', name: 'Merged', state: merged, from: mergedText() },
  ];

  function mergedText() {
    if (merged) return storage === 'off' ? 'in this page only' : 'and stored now';
    return merge.state === 'failed' ? 'not in this browser' : 'Python is loading';
  }
}
