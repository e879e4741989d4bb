// To play with: the storage, the stored state, and the time. All of it changes this browser only.

import { ownValue } from '../own-value.js';
import { counted, number } from '../words.js';
import { exported, imported, MAX_BYTES } from './exchange.js';
import { ago } from './explain.js';
import { button, make, part, tested } from './parts.js';

/**
 * @typedef {object} Means what the controls work on
 * @property {import('./panel.js').Page} page
 * @property {import('./facts.js').Facts} facts
 * @property {import('./memory.js').Memory} memory
 * @property {(where: HTMLElement, text: string, mood?: 'bad' | 'good') => void} say
 * @property {(paused: boolean) => void} pause the messages
 * @property {() => void} changed
 */

/** @type {{[kind: string]: string}} */
const MEANS = {
  indexeddb: 'Read, merged and written in one transaction, so that two tabs never lose a write.',
  localstorage: 'One entry a video. Used by itself where IndexedDB is refused.',
  off: 'Nothing is kept. What was kept before stays where it is, unread, until you switch back or clear it.',
};
const KINDS = [
  ['indexeddb', 'IndexedDB'],
  ['localstorage', 'localStorage'],
  ['off', 'off'],
];
const CLEARED =
  'All that was stored, of all videos, is forgotten; only views on their way to a node are kept. The number on this page stays, for while a page is open it never goes down. After a reload it is what the node that answers says.';
const CLEARED_IN_PART =
  'The highest numbers that were shown are forgotten. States in IndexedDB are cleared by the worker that merges, which does not run here: if there are any, your browser’s settings can clear them.';
/** A merge that is under way when the messages are paused. */
const SETTLE_MS = 2_000;

/** @param {Means} means */
export function openStorage({ page: { keep, views }, facts, memory, say, changed }) {
  const choice = tested(make('select', { id: 'panel-storage-switch' }), 'storage-switch');
  for (const [kind, name] of KINDS) choice.append(new Option(name, kind));
  const meaning = make('p', { className: 'soft' });
  const result = resultLine('panel-storage-said');
  choice.addEventListener('change', () => {
    keep.choose(/** @type {import('../keep.js').Kind} */ (choice.value));
    facts.note(`Storage is switched to ${choice.value}.`);
    views.counter.useStorage();
    changed();
  });
  const clear = button('Clear all that is stored', 'storage-clear', () => {
    const { state } = facts.merge;
    // The worker does it, and there is none yet.
    if (state === 'loading')
      return say(
        result,
        'Not yet: it can be cleared when merging has begun. Nothing was changed.',
        'bad',
      );
    facts.replacing = 'Cleared';
    facts.origins.clear();
    facts.discarded = [];
    memory.forget();
    keep.clear();
    views.counter.clear();
    facts.note('All that was stored of all videos is cleared.');
    say(result, state === 'ready' ? CLEARED : CLEARED_IN_PART);
    changed();
  });
  const label = make('label', { htmlFor: choice.id, textContent: 'Keep states in' });
  return {
    element: part(
      'Storage',
      'storage',
      make('p', { className: 'row' }, label, choice, clear),
      meaning,
      result,
    ),
    draw() {
      if (choice.value !== keep.kind) choice.value = keep.kind;
      if (meaning.textContent !== MEANS[keep.kind]) meaning.textContent = MEANS[keep.kind];
    },
  };
}

/** @param {Means} means */
export function openExchange({ page: { video, keep, views }, facts, say, changed }) {
  const text = tested(
    make('textarea', { id: 'panel-import-text', rows: 3, spellcheck: false, autocomplete: 'off' }),
    'panel-import-text',
  );
  const file = tested(
    make('input', { id: 'panel-import-file', type: 'file', accept: '.json,application/json' }),
    'panel-import-file',
  );
  const result = resultLine('panel-exchange-said');
  const ready = () => {
    if (facts.merged) return true;
    say(result, 'Nothing has been merged yet: there is nothing to export.', 'bad');
    return false;
  };

  const download = button('Download', 'panel-download', () => {
    if (!ready()) return;
    const url = URL.createObjectURL(
      new Blob([exported(video, facts.stored, new Date())], { type: 'application/json' }),
    );
    make('a', { href: url, download: `ratchet-${video}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    say(result, `ratchet-${video}.json has what is stored of this video.`, 'good');
  });
  const copy = button('Copy', 'panel-copy', async () => {
    if (!ready()) return;
    const json = exported(video, facts.stored, new Date());
    try {
      await navigator.clipboard.writeText(json);
      say(result, 'Copied.', 'good');
    } catch {
      text.value = json; // no clipboard without a secure context, or without leave
      text.select();
      say(
        result,
        'This browser lends no clipboard here. It stands below, selected: copy it from there.',
      );
    }
  });
  const take = button('Import', 'panel-import', async () => {
    try {
      const { counter, folded } = imported(text.value, video);
      facts.replacing = 'Imported';
      await views.counter.replace(counter, folded);
      const value = ownValue(counter);
      raiseMark(keep, video, value);
      text.value = '';
      const others =
        facts.storage === 'indexeddb'
          ? ' What was stored of other videos is forgotten, as it may stand on newer folds.'
          : '';
      say(
        result,
        `Imported: it counts ${counted(value, 'view')}, and takes the place of what was stored.${others} The messages go on and are merged into it.`,
        'good',
      );
    } catch (error) {
      facts.replacing = '';
      say(
        result,
        `Not imported${changedNothing(error)}: ${/** @type {Error} */ (error).message}.`,
        'bad',
      );
    }
    changed();
  });
  file.addEventListener('change', async () => {
    const [chosen] = file.files ?? [];
    if (!chosen) return;
    if (chosen.size > MAX_BYTES)
      return say(
        result,
        'Not imported, and nothing was changed: it is larger than 1 MiB, and no state is.',
        'bad',
      );
    text.value = await chosen.text();
    file.value = '';
    take.click();
  });

  return part(
    'Take it along',
    'exchange',
    make('p', { className: 'row' }, 'Export', download, copy),
    make(
      'p',
      { className: 'row' },
      make('label', { htmlFor: file.id, textContent: 'Import a file' }),
      file,
    ),
    make(
      'p',
      { className: 'stacked' },
      make('label', { htmlFor: text.id, textContent: 'or paste it' }),
      text,
    ),
    make('p', { className: 'row' }, take),
    result,
  );
}

/**
 * Puts back the oldest state that this tab has met.
 *
 * It must be one that was truly stored once, slots and folds as they stood together. To forge one,
 * say by making generations older, would be to invent slots that no process ever owned: nobody
 * would ever fold them or tell more of them, and their views would count beside the true ones, twice.
 *
 * @param {Means} means
 */
export function openAge({ page: { video, keep, views }, facts, memory, pause, say, changed }) {
  const what = make('p', { className: 'soft' });
  const result = resultLine('panel-age-said');
  const age = button('Pretend I was away for a year', 'panel-age', async () => {
    const oldest = memory.oldest();
    if (!oldest)
      return say(
        result,
        keep.kind === 'off'
          ? 'Storage is off: there is nothing to be put back.'
          : 'No state has been met yet in this tab.',
        'bad',
      );
    try {
      // Else the next message would make it young again before anybody has reloaded.
      pause(true);
      await settled(facts);
      facts.replacing = 'Put back';
      await views.counter.replace(oldest.counter, oldest.folded);
      keep.write(`high:${video}`, String(oldest.value));
      say(
        result,
        `Put back: ${number(oldest.value)}, as this browser had it stored ${ago(oldest.at_ms, Date.now())}, and as the highest number it has shown. The messages are paused. Now reload: it shows ${number(oldest.value)} at once, or more if the node that serves the page knows more; with the first message the cluster’s number, exactly: nothing is lost, and nothing counts twice, whatever was folded meanwhile. (Another open tab of this video would make it young again: close it first.)`,
        'good',
      );
    } catch (error) {
      facts.replacing = '';
      pause(false);
      say(
        result,
        `Not put back${changedNothing(error)}: ${/** @type {Error} */ (error).message}.`,
        'bad',
      );
    }
    changed();
  });
  const reload = button('Reload', 'panel-reload', () => location.reload());
  return {
    element: part('Time', 'age', make('p', { className: 'row' }, age, reload), what, result),
    draw() {
      const oldest = memory.oldest();
      const text = oldest
        ? `Puts back the oldest state that this tab has met: ${counted(oldest.value, 'view')}, ${ago(oldest.at_ms, Date.now())}.`
        : 'Puts back the oldest state that this tab has met; there is none yet.';
      if (what.textContent !== text) what.textContent = text;
    },
  };
}

/** @param {any} error */
const changedNothing = ({ unsure }) => (unsure ? '' : ', and nothing was changed');

/** @param {import('./facts.js').Facts} facts */
async function settled(facts) {
  for (
    const end_ms = performance.now() + SETTLE_MS;
    facts.waits() && performance.now() < end_ms;
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * @param {import('../keep.js').Keep} keep
 * @param {string} video
 * @param {number} value
 */
function raiseMark(keep, video, value) {
  const key = `high:${video}`;
  if (value > globalThis.viewsKept(keep.read(key))) keep.write(key, String(value));
}

/** @param {string} testid */
const resultLine = (testid) => tested(make('p', { className: 'result' }), testid);
