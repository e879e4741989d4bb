// The open panel, put together: the sentence, the states, the timeline, and what one can play with.

import { announcer } from '../announce.js';
import { child, list, write } from '../elements.js';
import { openBars } from './bars.js';
import { openCluster } from './cluster.js';
import { explain } from './explain.js';
import { openNodes } from './nodes.js';
import { make, part, tested } from './parts.js';
import { openAge, openExchange, openStorage } from './play.js';
import { usage } from './usage.js';

// "3 min ago" is to be true; it need not be to the second.
const AGES_MS = 5_000;

/**
 * @param {HTMLElement} frame
 * @param {object} panel
 * @param {import('./panel.js').Page} panel.page
 * @param {import('./facts.js').Facts} panel.facts
 * @param {import('./memory.js').Memory} panel.memory
 * @param {ReturnType<typeof import('./plain.js').plainFacts>} panel.plain
 * @param {ReturnType<typeof import('./timeline.js').openTimeline>} panel.timeline
 * @param {() => void} panel.changed
 */
export function openInside(frame, { page, facts, memory, plain, timeline, changed }) {
  // All that is ever said aloud is said here: another reason, or what became of a click.
  const region = make('p', { className: 'unseen' });
  region.setAttribute('role', 'status');
  const voice = announcer(region);
  const sentence = openSentence(page, facts, voice);
  const bars = openBars();

  /** @type {import('./play.js').Means} */
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
  const nodes = openNodes(means);
  const storage = openStorage(means);
  const age = openAge(means);
  const cluster = page.playground
    ? openCluster(page.playground, { ...means, offer: nodes.offer })
    : undefined;
  frame.replaceChildren(
    sentence.element,
    plain.element,
    part('What it is made of', 'states', bars.element),
    timeline.element,
    ...(cluster ? [cluster.element] : []),
    make(
      'div',
      { className: 'play' },
      nodes.element,
      age.element,
      storage.element,
      openExchange(means),
    ),
    plain.raw,
    region,
  );

  let open = false;
  let timer = 0;
  const look = () => {
    const seen = open && !document.hidden;
    cluster?.watch(seen);
    clearInterval(timer);
    if (!seen) return;
    void usage(page.keep).then(plain.used);
    void nodes.ask();
    timer = setInterval(() => {
      void usage(page.keep).then(plain.used);
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
      const received = facts.received;
      const merging = facts.merge.state === 'failed' ? 'not in this browser' : 'Python is loading';
      bars.draw([
        { key: 'stored', name: 'Stored', state: facts.before, from: 'before the last message' },
        {
          key: 'received',
          name: 'Received',
          state: received?.state,
          from: received ? `last, from ${received.node || 'a node'}` : 'nothing yet',
        },
        {
          key: 'merged',
          name: 'Merged',
          state: facts.merged,
          from: facts.merged
            ? facts.storage === 'off'
              ? 'in this page only'
              : 'and stored now'
            : merging,
        },
      ]);
      nodes.draw();
      storage.draw();
      age.draw();
    },
  };
}

/**
 * The answer, before anything else.
 *
 * @param {import('./panel.js').Page} page
 * @param {import('./facts.js').Facts} facts
 * @param {ReturnType<typeof announcer>} voice
 */
function openSentence({ video }, facts, voice) {
  const text = tested(make('p', { className: 'sentence' }), 'panel-why');
  const notes = tested(make('ul', { className: 'notes' }), 'panel-notes');
  const number = document.querySelector(`#views[data-video="${video}"]`);
  let last = '';
  return {
    element: part('Why does it show this number?', 'why', text, notes),
    draw() {
      const said = explain({
        ...facts,
        shown: Number(number?.getAttribute('data-value')),
        now_ms: Date.now(),
        online: navigator.onLine,
        waiting: facts.waits(),
        heardFrom: [...facts.heardFrom].sort(),
      });
      text.dataset.kind = said.kind;
      write(text, said.text);
      list(
        notes,
        said.notes.map((_, at) => String(at)),
        'li',
        (item, at) => write(child(item, 'span', 'note'), said.notes[at]),
      );
      // The number ticks; that there is another reason for it is news.
      const kind = `${said.kind} ${said.notes.length}`;
      if (kind !== last) voice.changed([said.text, ...said.notes].join(' '));
      last = kind;
    },
  };
}
