// Elements that are changed only where something has changed.
//
// Nothing that stays the same is written again: what is being selected stays selected, and a screen
// reader isn't told what it knows.

/**
 * Makes the children of `parent` stand for `keys`, in order; those that stay are kept.
 *
 * @param {HTMLElement} parent
 * @param {string[]} keys
 * @param {string} tag
 * @param {(item: HTMLElement, at: number) => void} fill
 */
export function list(parent, keys, tag, fill) {
  const items = /** @type {HTMLElement[]} */ ([...parent.children]);
  const kept = new Map(items.map((item) => [item.dataset.key, item]));
  keys.forEach((key, at) => {
    let item = kept.get(key);
    kept.delete(key);
    if (!item) {
      item = document.createElement(tag);
      item.dataset.key = key;
    }
    fill(item, at);
    if (parent.children[at] !== item) parent.insertBefore(item, parent.children[at] ?? null);
  });
  for (const item of kept.values()) item.remove();
  // Of two with one key, the one that stood there first is not in `kept`.
  while (parent.children.length > keys.length) parent.lastElementChild?.remove();
}

/**
 * The child of this class, made when it isn't there.
 *
 * @param {HTMLElement} parent
 * @param {string} tag
 * @param {string} name
 * @returns {HTMLElement}
 */
export function child(parent, tag, name) {
  const found = [...parent.children].find((one) => one.classList.contains(name));
  if (found) return /** @type {HTMLElement} */ (found);
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
