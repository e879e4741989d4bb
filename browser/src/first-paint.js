// Raises every number in the HTML to the highest one this browser has shown, before the first paint.
//
// A blocking script in the head, not one behind the number: while a script behind it is on its
// way, the browser may already paint the page, and a stale node's smaller number would flash.
// From the head it watches the parser instead: an observer runs right after an element has been
// inserted and always before the next frame. It only reads; number.js is the only writer.
'use strict';

(() => {
  /** @type {Storage} */
  let store;
  try {
    store = window.localStorage;
    if (store.getItem('ratchet:storage') === 'off') return;
  } catch {
    return; // refused: the number from the HTML stands
  }
  const format = new Intl.NumberFormat(document.documentElement.lang);

  function raise() {
    for (const element of document.querySelectorAll('[data-video][data-value]')) {
      const { video, value } = /** @type {HTMLElement} */ (element).dataset;
      const kept = store.getItem(`ratchet:high:${video}`) ?? '';
      const shown = Math.max(Number(value), /^\d{1,16}$/.test(kept) ? Number(kept) : 0);
      if (!Number.isSafeInteger(shown)) continue;
      element.setAttribute('data-value', String(shown));
      // Compared with the text, not with the value: the parser may append the server's digits to
      // an element that was raised while it was still empty.
      const text = format.format(shown);
      if (element.textContent !== text) element.textContent = text;
    }
  }

  const watcher = new MutationObserver(raise);
  watcher.observe(document, { childList: true, characterData: true, subtree: true });
  document.addEventListener('DOMContentLoaded', () => watcher.disconnect());
})();
