// Lists of elements that are changed only where something has changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { list } from '../src/elements.js';

/** As much of an element as a list needs. */
class Item {
  /** @type {{key?: string}} */
  dataset = {};
  #parent;

  /** @param {Parent} parent */
  constructor(parent) {
    this.#parent = parent;
  }

  remove() {
    this.#parent.children = this.#parent.children.filter((one) => one !== this);
  }
}

class Parent {
  /** @type {Item[]} */
  children = [];

  /**
   * @param {Item} item
   * @param {Item | null} before
   */
  insertBefore(item, before) {
    item.remove();
    const at = before ? this.children.indexOf(before) : this.children.length;
    this.children.splice(at, 0, item);
  }

  get lastElementChild() {
    return this.children.at(-1);
  }
}

test('a list has an element for each key, in order, and keeps those that stay', () => {
  const parent = new Parent();
  Object.assign(globalThis, { document: { createElement: () => new Item(parent) } });
  const element = /** @type {HTMLElement} */ (/** @type {unknown} */ (parent));
  const after = (/** @type {string[]} */ ...keys) => {
    list(element, keys, 'li', () => {});
    return parent.children.map((item) => item.dataset.key);
  };
  assert.deepEqual(after('a', 'b', 'c'), ['a', 'b', 'c']);
  const [a] = parent.children;
  assert.deepEqual(after('c', 'a'), ['c', 'a']);
  assert.equal(parent.children[1], a);
  // Two items with the same key stay two, however often they are drawn.
  for (let times = 0; times < 3; times += 1) {
    assert.deepEqual(after('a', 'a', 'b'), ['a', 'a', 'b']);
  }
  assert.deepEqual(after('b'), ['b']);
});
