// How a count of views is written: in the reader's language, short from 10,000 up, never rounded up.
//
// A classic script that leaves two functions behind: first-paint.js needs them before any module can
// run. number.js imports it for the same functions; on our own pages they are there by then.
'use strict';

/**
 * @typedef {object} ViewsFormat
 * @property {(views: number) => string} exact `1,234,567`
 * @property {(views: number) => string} short `1.2M`; below 10,000, and where a language has no shorter word, exact
 * @property {(views: number) => string} unit `view` or `views`
 * @property {(element: HTMLElement, views: number) => void} write shows `views` in `element`, and all of it around it
 */

/** @type {(text: string | null) => number} What was kept of a number of views; below 0 if it is none. */
globalThis.viewsKept ??= (text) =>
  /^\d{1,16}$/.test(text ?? '') && Number.isSafeInteger(Number(text)) ? Number(text) : -1;

/** @type {(languages: readonly string[], page: string) => ViewsFormat} */
globalThis.viewsFormat ??= (languages, page) => {
  const SHORT_FROM = 10_000;
  /** @type {{[rule: string]: string}} The page's words, in the page's language. */
  const UNITS = { one: 'view', other: 'views' };

  /** @param {Intl.NumberFormatOptions} [options] */
  const numbers = (options) => {
    try {
      return new Intl.NumberFormat([...languages], options);
    } catch {
      return new Intl.NumberFormat(page, options); // `en-US@posix`, as a browser has been seen to say
    }
  };
  const whole = numbers();
  const compact = numbers({ notation: 'compact', roundingMode: 'trunc' });
  const plural = new Intl.PluralRules(page);
  const truncates = compact.resolvedOptions().roundingMode === 'trunc';

  /** @type {ViewsFormat['exact']} */
  const exact = (views) => whole.format(views);

  /** @type {ViewsFormat['short']} */
  const short = (views) => {
    if (views < SHORT_FROM) return exact(views);
    if (truncates) return compact.format(views);
    // An older browser rounds to nearest. What has only two digits is not rounded by anybody.
    const grain = 10 ** (String(views).length - 2);
    return compact.format(views - (views % grain));
  };

  /** @type {ViewsFormat['unit']} */
  const unit = (views) => UNITS[plural.select(views)] ?? UNITS.other;

  /**
   * Compared first: whoever watches the page for changes would be called again for nothing.
   *
   * @param {Element} element
   * @param {string} text
   */
  const put = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  /** @type {ViewsFormat['write']} */
  const write = (element, views) => {
    const text = short(views);
    const said = text === exact(views) ? unit(views) : `${exact(views)} ${unit(views)}`;
    put(element, text);
    const count = /** @type {HTMLElement | null} */ (element.closest('.count'));
    if (!count) return;
    // The line is one text, so that nothing in it is pushed aside when the number gets longer.
    for (const part of count.querySelectorAll('[data-part]'))
      put(part, part.getAttribute('data-part') === 'unit' ? unit(views) : said);
    const title = said === unit(views) ? '' : said;
    if (count.title !== title) count.title = title;
  };

  return { exact, short, unit, write };
};
