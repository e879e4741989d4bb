// Who asks the merge worker: the tabs of this site, in whichever way this worker can be reached.
//
// A shared worker has a port for each tab; the worker of a leading tab hears all tabs on one
// channel (see merge-link.js); a worker of one tab has only that tab.

/**
 * @typedef {object} Client one tab
 * @property {(message: object) => void} tell
 */

/** The name of a worker that listens on a channel begins with this, and ends with the channel's. */
const CHANNEL = 'channel ';

/**
 * Hears every tab, from now on.
 *
 * @param {(client: Client, message: any) => void} heard
 */
export function hearClients(heard) {
  const scope = /** @type {any} */ (self);
  if ('onconnect' in scope) {
    scope.onconnect = (/** @type {MessageEvent} */ { ports: [port] }) => {
      const client = { tell: (/** @type {object} */ message) => port.postMessage(message) };
      port.onmessage = ({ data }) => heard(client, data);
    };
  } else if (scope.name.startsWith(CHANNEL)) {
    hearChannel(scope.name.slice(CHANNEL.length), heard);
  } else {
    const client = { tell: (/** @type {object} */ message) => scope.postMessage(message) };
    scope.onmessage = (/** @type {MessageEvent} */ { data }) => heard(client, data);
  }
}

/**
 * @param {string} name
 * @param {(client: Client, message: any) => void} heard
 */
function hearChannel(name, heard) {
  const channel = new BroadcastChannel(name);
  /** @type {Map<string, Client>} */
  const clients = new Map();
  channel.onmessage = ({ data: { from, message } }) => {
    if (!from) return; // of another worker that once led
    const client = clients.get(from) ?? {
      tell: (said) => channel.postMessage({ to: from, message: said }),
    };
    if (message.does === 'bye') clients.delete(from);
    else clients.set(from, client);
    heard(client, message);
  };
  // Whoever asked the leader before this one asks again.
  channel.postMessage({ to: 'all', message: { tells: 'new' } });
}
