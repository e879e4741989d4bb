// The debug panel: answers "why does it show this number?", and lets a viewer play with what is stored.
//
// While it is closed, it only gathers events, and updates its plain texts at most a few times a
// second. Most of it is not loaded then: it sends no request, runs no interval and causes no
// layout. Without a playground it can change only this browser.

/**
 * @import { EventLog } from '../event-log.js'
 * @import { Keep } from '../keep.js'
 * @import { Merged } from '../merge-protocol.js'
 * @import { Network } from '../network.js'
 * @import { Views } from '../views.js'
 */

import { highKey } from '../keep.js';
import { ownValue } from '../own-value.js';
import { make } from './dom.js';
import { Facts } from './facts.js';
import { openMemory } from './memory.js';
import { openRawStates } from './raw-states.js';
import { openSummary } from './summary.js';
import { openTimeline } from './timeline.js';

/**
 * @typedef {object} Page what the panel shows and plays with
 * @property {string} video
 * @property {string} node which node the page came from
 * @property {string} playground the address of the demo's control, if there is one
 * @property {Keep} keep
 * @property {Views} views
 * @property {EventLog} events
 * @property {Network} network
 */

const CLOSED_MS = 250;

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} toggle
 * @param {Page} page
 */
export function openPanel(root, toggle, page) {
  const { video, keep, views, events } = page;
  const memory = openMemory(video, keep);
  const facts = new Facts({
    storage: keep.kind === 'off' ? 'off' : '',
    origins: memory.origins(),
  });
  const summary = openSummary(page.node);
  const raw = openRawStates();
  const timeline = openTimeline((entry) => views.counter.merge(entry.snapshot, facts.again(entry)));
  const schedule = openSchedule(root, draw);
  /**
   * Loaded when the panel is opened for the first time.
   *
   * @type {ReturnType<typeof import('./inside.js').openInside> | undefined}
   */
  let inside;

  function draw() {
    summary.draw(facts, keep.read(highKey(video)));
    raw.draw(facts);
    timeline.draw(facts.entries);
    if (!root.hidden) inside?.draw();
  }

  /** @param {boolean} open */
  function show(open) {
    schedule.cancel(); // the drawing was scheduled for the panel's last state, open or closed
    root.hidden = !open;
    toggle.setAttribute('aria-expanded', String(open));
    if (open && !inside) void fill();
    inside?.watch(open);
    schedule.soon();
  }

  async function fill() {
    try {
      const { openInside } = await import('./inside.js');
      inside ??= openInside(frame, {
        page,
        facts,
        memory,
        summary,
        timeline,
        raw: raw.element,
        changed: schedule.soon,
      });
      inside.watch(!root.hidden);
    } catch (error) {
      // The node has gone, or the viewer has left: the next opening tries again.
      facts.note(`The rest of the panel did not load: ${error}`, 'bad');
    }
    schedule.soon();
  }

  const turn = () => {
    const hadFocus = root.contains(document.activeElement);
    show(Boolean(root.hidden));
    if (!root.hidden) title.focus();
    else if (hadFocus) toggle.focus();
  };

  const title = make('h2', { id: 'panel-title', textContent: 'Debug panel', tabIndex: -1 });
  const close = make('button', { type: 'button', className: 'link', textContent: 'Close' });
  close.addEventListener('click', turn);
  const content = [summary.element, timeline.element, raw.element];
  const frame = make('div', { className: 'panel-inside' }, ...content);
  root.append(make('div', { className: 'panel-top' }, title, close), frame);

  events.listen((event) => {
    facts.take(event);
    if (event.kind === 'merged') keepOldest(event.merged);
    schedule.soon();
  });
  keep.onChoice(schedule.soon);
  // Store the origins only when the page goes: until then it has them in memory.
  addEventListener('pagehide', () => memory.keepOrigins(facts.origins, facts.merged));

  /** @param {Merged} merged */
  function keepOldest({ before, discarded }) {
    if (memory.hasOldest) return;
    // The state from before this tab is older. But at first nothing may have been stored.
    const isState = !discarded.length && ownValue(before.counter) > 0;
    const { counter, folded } = isState ? before : facts.stored;
    const value = ownValue(counter);
    if (value) memory.keepOldest({ counter, folded, value, at_ms: Date.now() });
  }

  toggle.addEventListener('click', turn);
  document.addEventListener('keydown', (event) => {
    if (isKey(event)) turn();
  });
  show(new URLSearchParams(location.search).has('debug'));
}

/**
 * Draws once for all changes in the meantime: in the next frame while the panel is open, a few
 * times a second while it is closed.
 *
 * @param {HTMLElement} root
 * @param {() => void} draw
 */
function openSchedule(root, draw) {
  /** @type {(() => void) | undefined} */
  let cancelDue;
  const run = () => {
    cancelDue = undefined;
    draw();
  };
  return {
    soon() {
      if (cancelDue) return;
      if (root.hidden) {
        const timer = setTimeout(run, CLOSED_MS);
        cancelDue = () => clearTimeout(timer);
      } else {
        const frame = requestAnimationFrame(run);
        cancelDue = () => cancelAnimationFrame(frame);
      }
    },
    cancel() {
      cancelDue?.();
      cancelDue = undefined;
    },
  };
}

/**
 * Whether this is the panel's key, D, and not part of a shortcut or of a text.
 *
 * @param {KeyboardEvent} event
 */
function isKey({ key, ctrlKey, metaKey, altKey, repeat, target }) {
  if (key?.toLowerCase() !== 'd' || ctrlKey || metaKey || altKey || repeat) return false;
  const field = 'input, textarea, select, [contenteditable]';
  return !(target instanceof Element && target.closest(field));
}
