// Merges once, as soon as it can, with the core.js beside it.

import { loadMerge } from './core.js';

const merge = await loadMerge();
const snapshot = { video: 'tide', base: 40, slots: { 'a@1763800000000001': 2 }, folded: {} };
self.postMessage(JSON.parse(merge('tide', '', '', JSON.stringify(snapshot))).value);
