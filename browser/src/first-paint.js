// Raises every number in the HTML to the highest one that this browser has shown, before the first paint.
//
// It is a blocking script in the head, not one behind the number: while a script behind it is on its
// way, the browser may already paint the page, and a stale node's smaller number would flash. From
// the head it watches the parser instead: an observer runs right after an element has been inserted,
// and always before the next frame. It only reads; number.js is the only writer.
'use strict';

(() => {
  const format = viewsFormat(navigator.languages, document.documentElement.lang);

  /** @type {(video: string) => number} */
  let highest = () => 0; // storage is off or refused: the number from the HTML stands
  try {
    const store = window.localStorage;
    if (store.getItem('ratchet:storage') !== 'off')
      highest = (video) => viewsKept(store.getItem(`ratchet:high:${video}`));
  } catch {
    // Refused.
  }

  function raise() {
    /** @type {NodeListOf<HTMLElement>} */
    const numbers = document.querySelectorAll('[data-video][data-value]');
    for (const element of numbers) {
      const { video = '', value } = element.dataset;
      const views = Math.max(Number(value), highest(video));
      if (!Number.isSafeInteger(views)) continue;
      if (value !== String(views)) element.setAttribute('data-value', String(views));
      // Always, and compared with the text: the parser may append the server's digits to an
      // element that was raised while it was still empty.
      format.write(element, views);
    }
  }

  const watcher = new MutationObserver(raise);
  watcher.observe(document, { childList: true, characterData: true, subtree: true });
  document.addEventListener('DOMContentLoaded', () => watcher.disconnect());
})();
