// Whether this browser has no network.
//
// A browser also calls itself offline on a network that leads nowhere else: a LAN without internet,
// or a machine of its own. The site may be there. So a message from it is better evidence.

/**
 * @typedef {object} Network
 * @property {() => boolean} isOffline
 * @property {() => void} received a message has come from the site
 */

/**
 * @param {EventTarget & {navigator: {onLine: boolean}}} [scope]
 * @returns {Network}
 */
export function openNetwork(scope = globalThis) {
  let reached = false;
  scope.addEventListener('offline', () => {
    reached = false;
  });
  return {
    isOffline: () => !scope.navigator.onLine && !reached,
    received() {
      reached = !scope.navigator.onLine;
    },
  };
}
