// The number on the page: it only ever goes up, and this browser remembers how far it went.
'use strict';

const format = new Intl.NumberFormat(document.documentElement.lang);

/**
 * @typedef {object} ViewsNumber
 * @property {(value: number) => void} raise shows `value`, unless a higher one is shown already
 */

/**
 * Takes over the number that first-paint.js left in `element`.
 *
 * @param {HTMLElement} element with `data-video` and `data-value`
 * @param {import('./keep.js').Keep} keep
 * @returns {ViewsNumber}
 */
export function viewsNumber(element, keep) {
  const key = `high:${element.dataset.video}`;
  let shown = Number(element.dataset.value);

  const remember = () => {
    if (shown > Number(keep.read(key) ?? -1)) keep.write(key, String(shown));
  };
  /** @param {number} value */
  const raise = (value) => {
    if (!Number.isSafeInteger(value) || value <= shown) return;
    shown = value;
    element.dataset.value = String(shown);
    element.textContent = format.format(shown);
    remember();
  };

  // Another tab went further: follow it. It wrote less (two tabs that read, then wrote at the same
  // moment): write ours again, so that the mark never falls for good.
  keep.listen((changed, text) => {
    if (changed !== key) return;
    raise(Number(text));
    remember();
  });
  remember();
  return { raise };
}
