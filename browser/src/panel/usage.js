// How much this site stores in this browser, as far as that is cheaply known.

import { storedVideos } from '../storage/indexeddb.js';
import { counted, number } from '../words.js';

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** @param {import('../keep.js').Keep} keep */
export async function usage(keep) {
  const [space, states] = await Promise.all([
    estimate(),
    // Not made by looking for it, and refused is none.
    keep.kind === 'indexeddb' ? storedVideos().catch(() => undefined) : undefined,
  ]);
  const kept = keep.keys().filter((key) => key.startsWith('state:')).length;
  const counts = [
    states === undefined ? '' : `${counted(states, 'video')} in IndexedDB`,
    kept ? `${counted(kept, 'video')} in localStorage` : '',
  ];
  return [space, ...counts].filter(Boolean).join(', ') || 'not known';
}

async function estimate() {
  try {
    const { usage: used = 0, quota = 0 } = await navigator.storage.estimate();
    return `${bytes(used)} of ${bytes(quota)}`;
  } catch {
    return ''; // only secure contexts are told
  }
}

/** @param {number} n */
function bytes(n) {
  const at = n < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(n) / 3));
  return `${number(Math.round(n / 1000 ** at))} ${UNITS[at]}`;
}
