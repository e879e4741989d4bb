// The few kinds of elements that the panel is made of.

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Partial<HTMLElementTagNameMap[T]>} [fields]
 * @param {(Node | string)[]} [inside]
 */
export function make(tag, fields = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...inside);
  return made;
}

/**
 * For tests to find it by.
 *
 * @template {HTMLElement} E
 * @param {E} element
 * @param {string} testid
 */
export function tested(element, testid) {
  element.dataset.testid = testid;
  return element;
}

/**
 * @param {string} text
 * @param {string} testid
 * @param {() => void} press
 */
export function button(text, testid, press) {
  const made = tested(make('button', { type: 'button', textContent: text }), testid);
  made.addEventListener('click', press);
  return made;
}

/**
 * A part of the panel with a heading.
 *
 * @param {string} title
 * @param {string} name its class
 * @param {(Node | string)[]} inside
 */
export function part(title, name, ...inside) {
  const heading = make('h3', { textContent: title, id: `panel-${name}` });
  const section = make('section', { className: `part part-${name}` }, heading, ...inside);
  section.setAttribute('aria-labelledby', heading.id);
  return section;
}

/** To the second, and with the day when it isn't today. @param {number} at_ms */
export function clock(at_ms) {
  const at = new Date(at_ms);
  const day =
    at.toDateString() === new Date().toDateString()
      ? {}
      : /** @type {const} */ ({ day: 'numeric', month: 'short' });
  const year =
    at.getFullYear() === new Date().getFullYear() ? {} : /** @type {const} */ ({ year: 'numeric' });
  return at.toLocaleString('en-GB', {
    ...day,
    ...year,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
}
