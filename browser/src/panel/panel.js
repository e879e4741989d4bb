// The debug panel: answers "why does it show this number?", and lets one play with the answer.
//
// Closed, it takes notes, and writes the few of them that are plain text at most some times a
// second; most of it isn't loaded, and it asks nobody, counts no time and lays nothing out. Where no playground is set it can
// change nothing but this browser.

import { ownValue } from '../own-value.js';
import { openFacts } from './facts.js';
import { openMemory } from './memory.js';
import { make } from './parts.js';
import { plainFacts } from './plain.js';
import { openTimeline } from './timeline.js';

/**
 * @typedef {object} Page what the panel shows and plays with
 * @property {string} video
 * @property {string} node which node the page came from
 * @property {string} playground the demo's control, if there is one
 * @property {import('../keep.js').Keep} keep
 * @property {import('../views.js').Views} views
 * @property {import('../story.js').Story} story
 */

const CLOSED_MS = 250;

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} toggle
 * @param {Page} page
 */
export function openPanel(root, toggle, page) {
  const { video, keep, views, story } = page;
  const memory = openMemory(video, keep);
  const facts = openFacts({ storage: keep.kind === 'off' ? 'off' : '', origins: memory.origins() });
  const plain = plainFacts(page);
  const timeline = openTimeline((entry) => views.counter.merge(entry.snapshot, facts.again(entry)));
  /** Loaded when the panel is opened for the first time. @type {ReturnType<typeof import('./inside.js').openInside> | undefined} */
  let inside;
  let cancel = () => {};
  let due = false;

  /** Draws soon: once for all that happens until then. */
  function changed() {
    if (due) return;
    due = true;
    const draw = () => {
      due = false;
      plain.draw(facts, keep.read(`high:${video}`));
      timeline.draw(facts.entries);
      if (!root.hidden) inside?.draw();
    };
    const id = root.hidden ? setTimeout(draw, CLOSED_MS) : requestAnimationFrame(draw);
    cancel = () => (root.hidden ? clearTimeout(id) : cancelAnimationFrame(id));
  }

  /** @param {boolean} open */
  function show(open) {
    cancel(); // it was to be drawn as it was
    due = false;
    root.hidden = !open;
    toggle.setAttribute('aria-expanded', String(open));
    if (open && !inside) void fill();
    inside?.watch(open);
    changed();
  }

  async function fill() {
    try {
      const { openInside } = await import('./inside.js');
      inside ??= openInside(frame, { page, facts, memory, plain, timeline, changed });
      inside.watch(!root.hidden);
    } catch (error) {
      // Its node has gone, or the viewer: the next opening tries again.
      facts.note(`The rest of the panel did not load: ${error}`, 'bad');
    }
    changed();
  }

  const turn = () => {
    const within = root.contains(document.activeElement);
    show(root.hidden);
    if (!root.hidden) title.focus();
    else if (within) toggle.focus();
  };

  const title = make('h2', { id: 'panel-title', textContent: 'Debug panel', tabIndex: -1 });
  const close = make('button', { type: 'button', className: 'link', textContent: 'Close' });
  close.addEventListener('click', turn);
  const frame = make(
    'div',
    { className: 'panel-inside' },
    plain.element,
    timeline.element,
    plain.raw,
  );
  root.append(make('div', { className: 'panel-top' }, title, close), frame);

  story.listen((event) => {
    facts.hear(event);
    if (event.kind === 'merged') keepOldest(event);
    changed();
  });
  keep.onChoice(changed);
  // Only now: while the page is open they are known without being written anywhere.
  addEventListener('pagehide', () => memory.keepOrigins(facts.origins, facts.merged));

  /** @param {import('../counter.js').Merged} event */
  function keepOldest({ before, discarded }) {
    if (memory.hasOldest) return;
    // What stood there before this tab came is older; but at first there may be nothing at all.
    const { counter, folded } =
      !discarded.length && ownValue(before.counter) > 0 ? before : facts.stored;
    const value = ownValue(counter);
    if (value) memory.keepOldest({ counter, folded, value, at_ms: Date.now() });
  }

  toggle.addEventListener('click', turn);
  document.addEventListener('keydown', (event) => {
    const busy = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    const writes =
      event.target instanceof Element &&
      event.target.closest('input, textarea, select, [contenteditable]');
    if (event.key?.toLowerCase() === 'd' && !busy && !writes) turn();
  });
  show(new URLSearchParams(location.search).has('debug'));
}
