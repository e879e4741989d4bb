// Lets the viewer choose another storage, or clear it, in this browser only.

/**
 * @import { StorageKind } from '../storage/port.js'
 * @import { Means } from './controls.js'
 */

import { write } from '../elements.js';
import { clearOverflow } from '../overflow.js';
import { button, labelled, make, resultLine, row, section, tested } from './dom.js';

/** @type {Record<StorageKind, {name: string, meaning: string}>} */
const KINDS = {
  indexeddb: {
    name: 'IndexedDB',
    meaning: 'Read, merged and written in one transaction, so that two tabs never lose a write.',
  },
  localstorage: {
    name: 'localStorage',
    meaning: 'One entry for each video. It is used by itself where IndexedDB is refused.',
  },
  off: {
    name: 'off',
    meaning:
      'Nothing is kept. States from before stay where they are, unread, until you switch back or clear them.',
  },
};
const NOT_YET = 'Not yet: you can clear it once merging has begun. Nothing was changed.';
const CLEARED =
  'Everything that was stored, of all videos, is forgotten. Only views on their way to a node are ' +
  'kept. The number on this page stays: while a page is open, its number never goes down. After a ' +
  'reload it is the number of the node that answers.';
const CLEARED_IN_PART =
  'The highest numbers that were shown are forgotten. States in IndexedDB are not cleared: the worker ' +
  'that merges would do that, and it does not run here. Your browser’s settings can clear them.';

/** @param {Means} means */
export function openStorageControls({ page: { keep, views }, facts, memory, say, changed }) {
  const choice = tested(make('select', { id: 'panel-storage-switch' }), 'storage-switch');
  for (const [value, { name }] of Object.entries(KINDS)) {
    choice.append(make('option', { value, textContent: name }));
  }
  const meaning = make('p', { className: 'soft' });
  const result = resultLine('panel-storage-said');
  choice.addEventListener('change', () => {
    keep.choose(/** @type {StorageKind} */ (choice.value)); // its options are the kinds
    facts.note(`Storage is switched to ${choice.value}.`);
    views.counter.useStorage();
    changed();
  });
  const clear = button('Clear all that is stored', 'storage-clear', () => {
    const { state } = facts.merge;
    // The worker clears it, and there is none yet.
    if (state === 'loading') {
      say(result, NOT_YET, 'bad');
      return;
    }
    facts.replacing = 'Cleared';
    facts.origins.clear();
    facts.discarded = [];
    memory.forget();
    keep.clear();
    clearOverflow();
    views.counter.clear();
    facts.note('All that was stored of all videos is cleared.');
    say(result, state === 'ready' ? CLEARED : CLEARED_IN_PART);
    changed();
  });
  return {
    element: section(
      'Storage',
      'storage',
      row(labelled('Keep states in', choice), choice, clear),
      meaning,
      result,
    ),
    draw() {
      if (choice.value !== keep.kind) choice.value = keep.kind;
      write(meaning, KINDS[keep.kind].meaning);
    },
  };
}
