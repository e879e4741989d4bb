// Changes elements only where their content has changed.
//
// Text that stays the same is not written again. So a selection stays, and a screen reader does not
// read the same text twice.
//
// Rejected: lit-html. It saves a tenth of the lines of cluster-view.js. It costs 4.9 kB more than
// it saves on the wire, a dependency in the built page, and the rule that no script here parses
// HTML.

/**
 * Gives `parent` one child for each of `keys`, in order. Children whose keys stay are kept.
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
  // If two old items had one key, `kept` had only the second: remove the first here.
  while (parent.children.length > keys.length) parent.lastElementChild?.remove();
}

/**
 * The child of this class; makes it if there is none.
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
 * The element of this id. Throws if the page has none.
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
 * The first matching element within `parent`. Throws if there is none.
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
