// The stored state, taken along: downloaded or copied, and imported again.

/** @import { Means } from './controls.js' */

import { counted } from '../english.js';
import { highKey } from '../keep.js';
import { ownValue } from '../own-value.js';
import { button, labelled, make, resultLine, row, section, tested } from './dom.js';
import { failureText, replaceStored } from './replacing.js';
import { exported, imported, MAX_BYTES } from './state-file.js';

/** @param {Means} means */
export function openExchange(means) {
  const { page, facts, say, changed } = means;
  const { video, keep } = page;
  const text = tested(
    make('textarea', {
      id: 'panel-import-text',
      rows: 3,
      spellcheck: false,
      autocomplete: 'off',
    }),
    'panel-import-text',
  );
  const file = tested(
    make('input', {
      id: 'panel-import-file',
      type: 'file',
      accept: '.json,application/json',
    }),
    'panel-import-file',
  );
  const result = resultLine('panel-exchange-said');

  /** Calls `use` with the stored state as JSON, if there is one. @param {(json: string) => void} use */
  function exportTo(use) {
    if (facts.merged) use(exported(video, facts.stored, new Date()));
    else say(result, 'Nothing has been merged yet: there is nothing to export.', 'bad');
  }

  /** @param {string} json */
  function download(json) {
    const url = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
    make('a', { href: url, download: `ratchet-${video}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    say(result, `ratchet-${video}.json has what is stored of this video.`, 'good');
  }

  /** @param {string} json */
  async function copy(json) {
    try {
      await navigator.clipboard.writeText(json);
      say(result, 'Copied.', 'good');
    } catch {
      // Browsers offer a clipboard only in secure contexts, and viewers can refuse it.
      text.value = json;
      text.select();
      say(result, 'This page may not use the clipboard. The text stands below, selected: copy it.');
    }
  }

  async function importText() {
    try {
      const state = imported(text.value, video);
      await replaceStored(means, 'Imported', state);
      const value = ownValue(state.counter);
      const key = highKey(video);
      if (value > globalThis.viewsKept(keep.read(key))) keep.write(key, String(value));
      text.value = '';
      const others =
        facts.storage === 'indexeddb'
          ? ' What was stored of other videos is forgotten: it may stand on newer folds.'
          : '';
      const now = `it counts ${counted(value, 'view')}, and takes the place of what was stored`;
      const then = 'New messages are merged into it.';
      say(result, `Imported: ${now}.${others} ${then}`, 'good');
    } catch (error) {
      say(result, failureText('Not imported', error), 'bad');
    }
    changed();
  }

  async function importFile() {
    const [chosen] = file.files ?? [];
    if (!chosen) return;
    if (chosen.size > MAX_BYTES) {
      const error = new Error('it is larger than 1 MiB, and no state is');
      say(result, failureText('Not imported', error), 'bad');
      return;
    }
    text.value = await chosen.text();
    file.value = '';
    await importText();
  }

  file.addEventListener('change', () => void importFile());
  return section(
    'Take it along',
    'exchange',
    row(
      'Export',
      button('Download', 'panel-download', () => exportTo(download)),
      button('Copy', 'panel-copy', () => exportTo((json) => void copy(json))),
    ),
    row(labelled('Import a file', file), file),
    make('p', { className: 'stacked' }, labelled('or paste it', text), text),
    row(button('Import', 'panel-import', () => void importText())),
    result,
  );
}
