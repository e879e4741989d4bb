// Elements that are changed only where something has changed.
//
// What stays the same is never written again: a selection stays, and a screen reader does not read
// out what it has read before.
//
// Rejected: lit-html. It saves a tenth of the lines of cluster-view.js. It costs 4.9 kB more than it
// saves on the wire, a dependency in the built page, and the rule that no script here parses HTML.

/**
 * Makes the children of `parent` stand for `keys`, in order; children that stay are kept.
 *
 * @param {HTMLElement} parent
 * @param {string[]} keys
 * @param {string} tag
 * @param {(item: HTMLElement, at: number) => void} fill
 */
export function list(parent, keys, tag, fill) {
  const items = /** @type {HTMLElement[]} */ ([...parent.children]); // made here, below
  const kept = new Map(items.map((item) => [item.dataset.key, item]));
  for (const [at, key] of keys.entries()) {
    let item = kept.get(key);
    kept.delete(key);
    if (!item) {
      item = document.createElement(tag);
      item.dataset.key = key;
    }
    fill(item, at);
    if (parent.children[at] !== item) parent.insertBefore(item, parent.children[at] ?? null);
  }
  for (const item of kept.values()) item.remove();
  // Of two items with one key, the first is not in `kept`.
  while (parent.children.length > keys.length) parent.lastElementChild?.remove();
}

/**
 * The child of this class; makes it where there is none.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {HTMLElement} parent
 * @param {T} tag
 * @param {string} name
 * @returns {HTMLElementTagNameMap[T]}
 */
export function child(parent, tag, name) {
  const found = [...parent.children].find((one) => one.classList.contains(name));
  // A class is only ever given to one tag.
  if (found) return /** @type {HTMLElementTagNameMap[T]} */ (found);
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

/**
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The element of this id. Throws where the page has none.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

/**
 * The first element within `parent`. Throws where there is none.
 *
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function within(parent, selector) {
  /** @type {HTMLElement | null} */
  const found = parent.querySelector(selector);
  if (!found) throw new Error(`the page has no element ${selector}`);
  return found;
}

/**
 * Makes `parent` a list of these texts.
 *
 * @param {HTMLElement} parent
 * @param {string[]} texts
 * @param {(item: HTMLElement, at: number) => void} [finish]
 */
export function listTexts(parent, texts, finish = () => {}) {
  list(parent, [...texts.keys()].map(String), 'li', (item, at) => {
    write(item, texts[at]);
    finish(item, at);
  });
}
