// The few kinds of elements that the panel is made of.

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Partial<HTMLElementTagNameMap[T]>} [fields]
 * @param {(Node | string)[]} inside
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, fields = {}, ...inside) {
  const made = document.createElement(tag);
  Object.assign(made, fields);
  made.append(...inside);
  return made;
}

/**
 * Gives an element the id by which tests find it.
 *
 * @template {HTMLElement} E
 * @param {E} element
 * @param {string} testId
 */
export function tested(element, testId) {
  element.dataset.testid = testId;
  return element;
}

/**
 * @param {string} text
 * @param {string} testId
 * @param {() => void} press
 */
export function button(text, testId, press) {
  const made = tested(make('button', { type: 'button', textContent: text }), testId);
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
export function section(title, name, ...inside) {
  const heading = make('h3', { textContent: title, id: `panel-${name}` });
  const made = make('section', { className: `sheet part part-${name}` }, heading, ...inside);
  made.setAttribute('aria-labelledby', heading.id);
  return made;
}

/**
 * One line of controls.
 *
 * @param {(Node | string)[]} inside
 */
export const row = (...inside) => make('p', { className: 'row' }, ...inside);

/**
 * @param {string} text
 * @param {HTMLElement} control
 */
export const labelled = (text, control) =>
  make('label', { htmlFor: control.id, textContent: text });

/**
 * The line in which a control shows the result of a click.
 *
 * @param {string} testId
 */
export const resultLine = (testId) => tested(make('p', { className: 'result' }), testId);
