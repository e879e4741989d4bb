// How much this site stores in this browser, as far as that is cheaply known.

/** @import { Keep } from '../keep.js' */

import { counted, number } from '../english.js';
import { storedVideos } from '../storage/indexeddb.js';
import { STATE } from '../storage/localstorage.js';

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** @param {Keep} keep */
export async function usage(keep) {
  const [space, states] = await Promise.all([
    estimate(),
    // Only where it is in use: to look for a database makes one. One that is refused holds nothing.
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
    return ''; // browsers say it in secure contexts only
  }
}

/** @param {number} n */
function bytes(n) {
  const at = n < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(n) / 3));
  return `${number(Math.round(n / 1000 ** at))} ${UNITS[at]}`;
}
