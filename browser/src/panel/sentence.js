// The answer, before anything else in the panel: why the page shows this number.

/**
 * @import { Facts } from './facts.js'
 * @import { Page } from './panel.js'
 */

import { listTexts, write } from '../elements.js';
import { make, section, tested } from './dom.js';
import { explain } from './explain.js';

/**
 * @param {Page} page
 * @param {Facts} facts
 * @param {{changed: (text: string) => void}} voice
 */
export function openSentence({ video, network }, facts, voice) {
  const text = tested(make('p', { className: 'sentence' }), 'panel-why');
  const notes = tested(make('ul', { className: 'notes' }), 'panel-notes');
  const number = document.querySelector(`#views[data-video="${video}"]`);
  let last = '';
  return {
    element: section('Why does it show this number?', 'why', text, notes),
    draw() {
      const now = explain({
        ...facts,
        shown: Number(number?.getAttribute('data-value')),
        now_ms: Date.now(),
        online: !network.isOffline(),
        waiting: facts.waits(),
        senders: [...facts.senders].sort(),
      });
      text.dataset.kind = now.kind;
      write(text, now.text);
      listTexts(notes, now.notes);
      // Announce when the number has another reason, not when it only ticks.
      const kind = `${now.kind} ${now.notes.length}`;
      if (kind !== last) voice.changed([now.text, ...now.notes].join(' '));
      last = kind;
    },
  };
}
