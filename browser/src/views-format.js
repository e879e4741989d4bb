// How a number of views is written: in the reader's language, short from 10,000 up, never rounded up.

/** The number of views that this text holds; below 0 if it holds none. */
export const viewsKept = (/** @type {string | null} */ text) => {
  const isNumber = text !== null && /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text));
  return isNumber ? Number(text) : -1;
};

/**
 * @param {readonly string[]} languages the reader's, the best first
 * @param {string} pageLanguage
 * @returns {ViewsFormat}
 */
export const viewsFormat = (languages, pageLanguage) => {
  const SHORT_FROM = 10_000;
  /** The page's words, in the page's language. @type {{[rule: string]: string}} */
  const UNITS = { one: 'view', other: 'views' };

  /** @param {Intl.NumberFormatOptions} [options] */
  const numbers = (options) => {
    try {
      return new Intl.NumberFormat([...languages], options);
    } catch {
      // One browser named the language `en-US@posix`, which is not valid.
      return new Intl.NumberFormat(pageLanguage, options);
    }
  };
  const whole = numbers();
  const compact = numbers({ notation: 'compact', roundingMode: 'trunc' });
  const plural = new Intl.PluralRules(pageLanguage);
  const truncates = compact.resolvedOptions().roundingMode === 'trunc';

  /** @type {ViewsFormat['exact']} */
  const exact = (views) => whole.format(views);

  /** @type {ViewsFormat['short']} */
  const short = (views) => {
    if (views < SHORT_FROM) return exact(views);
    if (truncates) return compact.format(views);
    // An older browser rounds to nearest. No browser rounds a number that has only two digits.
    const grain = 10 ** (String(views).length - 2);
    return compact.format(views - (views % grain));
  };

  /** @type {ViewsFormat['unit']} */
  const unit = (views) => UNITS[plural.select(views)] ?? UNITS.other;

  /**
   * Writes the text only if it differs. Otherwise observers of the page would run for nothing.
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
    const line = text === exact(views) ? unit(views) : `${exact(views)} ${unit(views)}`;
    put(element, text);
    /** @type {HTMLElement | null} */
    const count = element.closest('.count');
    if (!count) return;
    // The line is one text, so that nothing in it moves when the number gets longer.
    for (const part of count.querySelectorAll('[data-part]')) {
      put(part, part.getAttribute('data-part') === 'unit' ? unit(views) : line);
    }
    const title = line === unit(views) ? '' : line;
    if (count.title !== title) count.title = title;
  };

  return { exact, short, unit, write };
};
