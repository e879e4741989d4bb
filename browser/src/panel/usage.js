// How much this site stores in this browser, as far as that can be read cheaply.

/** @import { Keep } from '../keep.js' */

import { counted, number } from '../english.js';
import { storedVideos } from '../storage/indexeddb.js';
import { STATE } from '../storage/localstorage.js';

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** @param {Keep} keep */
export async function usage(keep) {
  const [space, states] = await Promise.all([
    estimate(),
    // Only if IndexedDB is in use, because opening a database creates it. If it is refused, it is
    // empty.
    keep.kind === 'indexeddb' ? storedVideos().catch(() => undefined) : undefined,
  ]);
  const entries = keep.keys().filter((key) => key.startsWith(STATE)).length;
  const counts = [
    states === undefined ? '' : `${counted(states, 'video')} in IndexedDB`,
    entries ? `${counted(entries, 'video')} in localStorage` : '',
  ];
  return [space, ...counts].filter(Boolean).join(', ') || 'not known';
}

async function estimate() {
  try {
    const { usage: used = 0, quota = 0 } = await navigator.storage.estimate();
    return `${bytes(used)} of ${bytes(quota)}`;
  } catch {
    return ''; // browsers offer it only in secure contexts
  }
}

/** @param {number} n */
function bytes(n) {
  const at = n < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(n) / 3));
  return `${number(Math.round(n / 1000 ** at))} ${UNITS[at]}`;
}
