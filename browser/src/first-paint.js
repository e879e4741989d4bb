// Raises every number in the HTML to the highest one that this browser has shown, before the first paint.
//
// It is a blocking script in the head. If it came after the number, the browser might paint the
// page while this script is still loading, and a stale node's smaller number would flash. So it
// watches the parser from the head: an observer runs right after an element has been inserted, and
// always before the next frame. It changes no number in storage: only overflow.js does.
'use strict';

(() => {
  const UNKNOWN = '…';
  const format = viewsFormat(navigator.languages, document.documentElement.lang);

  /** @type {(video: string) => number} */
  let highest = () => 0; // storage is off or refused: the number from the HTML stands
  /** Whether local storage has all numbers. If not, show none before the others are read. */
  let isWhole = true;
  try {
    const store = window.localStorage;
    if (store.getItem('ratchet:storage') !== 'off') {
      highest = (video) => viewsKept(store.getItem(`ratchet:high:${video}`));
      if (!store.length) store.setItem('ratchet:whole', 'yes');
      isWhole = store.getItem('ratchet:whole') !== null;
    }
  } catch {
    // Refused.
  }
  // It never rejects: if the others can't be read, the numbers of the HTML stand.
  if (!isWhole) globalThis.viewsKnown = readOthers().then(showAll, showAll);

  async function readOthers() {
    const { readOverflow } = await import('./overflow.js');
    const others = await readOverflow();
    const stored = highest;
    highest = (video) => Math.max(stored(video), others.get(`high:${video}`) ?? -1);
  }

  function showAll() {
    isWhole = true;
    raise();
  }

  function raise() {
    /** @type {NodeListOf<HTMLElement>} */
    const numbers = document.querySelectorAll('[data-video][data-value]');
    for (const element of numbers) {
      if (!isWhole) {
        if (element.textContent !== UNKNOWN) element.textContent = UNKNOWN;
        continue;
      }
      const { video = '', value } = element.dataset;
      const views = Math.max(Number(value), highest(video));
      if (!Number.isSafeInteger(views)) continue;
      if (value !== String(views)) element.setAttribute('data-value', String(views));
      // Write it each time: the element may have been raised while it was still empty, and the
      // parser may then have appended the server's digits. (`write` compares with the text.)
      format.write(element, views);
    }
  }

  const watcher = new MutationObserver(raise);
  watcher.observe(document, { childList: true, characterData: true, subtree: true });
  document.addEventListener('DOMContentLoaded', () => watcher.disconnect());
})();
