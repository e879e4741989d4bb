// The debug panel: what this page stores and hears, and the switch that takes its memory away.
'use strict';

const LINES = 100;
const LINE_LENGTH = 600;

/**
 * @typedef {object} Acts what the viewer can do here
 * @property {(on: boolean) => void} storage
 * @property {() => void} clear
 */

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} toggle
 * @param {{node: string, storageOn: boolean}} page
 * @param {Acts} acts
 */
export function openPanel(root, toggle, page, acts) {
  const facts = element('dl', { className: 'facts' });
  /** @type {(name: string, id: string, text: string) => (text: string) => void} */
  const fact = (name, id, text) => {
    const value = element('dd', { textContent: text }, `panel-${id}`);
    const pair = element('div', {});
    pair.append(element('dt', { textContent: name }), value);
    facts.append(pair);
    return (text) => {
      value.textContent = text;
    };
  };
  fact('Page from node', 'node-page', page.node);
  const showNode = fact('Messages from node', 'node-socket', 'none yet');
  const showLive = fact('Connection', 'live', 'connecting');
  const showMerge = fact('Merge (Pyodide)', 'merge', 'loading');
  const showStorage = fact('Storage', 'storage', page.storageOn ? 'not used yet' : 'off');

  const stored = element('pre', { textContent: 'nothing yet', tabIndex: 0 }, 'panel-stored');
  const storedName = element('h3', { textContent: 'As stored' });
  const received = element('pre', { textContent: 'nothing yet', tabIndex: 0 }, 'panel-received');
  const log = element('ol', { className: 'log', tabIndex: 0 }, 'panel-log');

  const box = element('input', { type: 'checkbox', checked: page.storageOn }, 'storage-switch');
  box.addEventListener('change', () => acts.storage(box.checked));
  const label = element('label', {});
  label.append(box, ' Local storage');
  const clear = element('button', { type: 'button', textContent: 'Clear what is stored' }, 'storage-clear');
  clear.addEventListener('click', acts.clear);
  const controls = element('div', { className: 'controls' });
  controls.append(label, clear);

  const states = element('div', { className: 'states' });
  states.append(block(storedName, stored), block(element('h3', { textContent: 'As last received' }), received));
  root.append(
    element('h2', { textContent: 'Debug panel' }),
    facts,
    controls,
    states,
    block(element('h3', { textContent: 'Log' }), log),
  );

  const show = (/** @type {boolean} */ open) => {
    root.hidden = !open;
    toggle.setAttribute('aria-expanded', String(open));
    if (open) log.scrollTop = log.scrollHeight;
  };
  toggle.addEventListener('click', () => show(root.hidden));
  document.addEventListener('keydown', (event) => {
    const busy = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (event.key?.toLowerCase() === 'd' && !busy) show(root.hidden);
  });
  show(new URLSearchParams(location.search).has('debug'));

  /** @param {string} line */
  const addLine = (line) => {
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    const text = line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH)}…` : line;
    const time = element('time', { textContent: new Date().toISOString().slice(11, 23) });
    const item = element('li', {});
    item.append(time, ' ', text);
    log.append(item);
    while (log.childElementCount > LINES) log.firstElementChild?.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  };

  return {
    log: addLine,
    showNode,
    showLive,
    showMerge,
    showStorage,
    /** @param {import('./counter.js').Merged} merged */
    showStored({ base, slots, folded, storage }) {
      storedName.textContent = storage === 'off' ? 'In this page only (storage is off)' : 'As stored';
      stored.textContent = JSON.stringify({ base, slots, folded }, null, 2);
    },
    /** @param {string} text */
    showReceived(text) {
      try {
        const { base, slots, folded } = JSON.parse(text);
        received.textContent = JSON.stringify({ base, slots, folded }, null, 2);
      } catch {
        received.textContent = text.slice(0, LINE_LENGTH);
      }
    },
  };
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Partial<HTMLElementTagNameMap[T]>} fields
 * @param {string} [testid]
 */
function element(tag, fields, testid) {
  const made = Object.assign(document.createElement(tag), fields);
  if (testid) made.setAttribute('data-testid', testid);
  return made;
}

/** @param {HTMLElement[]} parts */
function block(...parts) {
  const section = element('section', {});
  section.append(...parts);
  return section;
}
