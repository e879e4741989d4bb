// The panel's summary: which nodes answered, over which transport, and where states are stored.

/**
 * @import { Silence } from '../live.js'
 * @import { Kind as LinkKind } from '../merge-link.js'
 * @import { Facts } from './facts.js'
 */

import { write } from '../elements.js';
import { number } from '../english.js';
import { make, tested } from './dom.js';

/** @type {Record<LinkKind, string>} */
const WORKERS = {
  shared: 'one worker for all tabs',
  leading: 'a worker of the tab that leads',
  own: 'a worker of this tab alone',
};
/** @type {Record<Silence, string>} */
const SILENT = {
  connecting: 'connecting',
  paused: 'paused by you',
  unseen: 'closed while nobody looks',
};

/** @typedef {ReturnType<typeof openSummary>} Summary */

/** @param {string} node which node the page came from */
export function openSummary(node) {
  const element = make('dl', { className: 'facts' });
  /** @type {(name: string, id: string, text?: string) => (text: string) => void} */
  const fact = (name, id, text = '') => {
    const value = tested(make('dd', { textContent: text }), `panel-${id}`);
    element.append(make('div', {}, make('dt', { textContent: name }), value));
    return (now) => write(value, now);
  };
  fact('Page from node', 'node-page', node);
  const sender = fact('Messages from node', 'node-socket', 'none yet');
  const live = fact('Connection', 'live', 'connecting');
  const merge = fact('Merge (Python)', 'merge', 'loading');
  const worker = fact('Merged by', 'merged-by', 'nobody yet');
  const storage = fact('Stored in', 'storage', 'not used yet');
  const high = fact('Highest shown, kept', 'high');
  const used = fact('Storage used', 'used');

  return {
    element,
    used,
    /**
     * @param {Facts} facts
     * @param {string | null} mark the highest number shown, as it is stored
     */
    draw(facts, mark) {
      if (facts.received) sender(facts.received.node || 'unknown');
      const { state, transport } = facts.live;
      live(state === 'received' ? transport : SILENT[state]);
      storage(facts.storage || 'not used yet');
      high(mark === null ? 'nothing' : number(Number(mark)));
      drawMerge(facts.merge);
    },
  };

  /** @param {Facts['merge']} now */
  function drawMerge(now) {
    if (now.state === 'ready') {
      merge(`ready after ${(now.after_ms / 1000).toFixed(1)} s`);
      worker(now.worker && WORKERS[now.worker]);
    } else if (now.state === 'failed') {
      merge(`off: each node’s own number is shown (${now.why})`);
      worker('nobody');
    } else {
      worker('nobody yet');
    }
  }
}
