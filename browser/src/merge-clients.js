// The pages that talk to this worker, over any kind of link (see merge-link.js).
//
// A shared worker has a port for each page. The worker of a leading page has one channel for
// all pages. A page's own worker has only that page.

/** @import { FromPage, FromWorker } from './merge-protocol.js' */

/**
 * @typedef {object} Client one page
 * @property {(message: FromWorker) => void} post
 *
 * @typedef {(client: Client, message: FromPage) => void} Receive
 */

/** The name of a worker that listens on a channel starts with this and ends with the channel's name. */
const CHANNEL = 'channel ';

/**
 * From now on, calls `receive` for every message of every page.
 *
 * @param {Receive} receive
 */
export function listenToClients(receive) {
  if (isShared(self)) listenToPorts(self, receive);
  else if (self.name.startsWith(CHANNEL)) {
    listenToChannel(self.name.slice(CHANNEL.length), receive);
  } else {
    const scope = /** @type {DedicatedWorkerGlobalScope} */ (self); // it is not a shared one
    /** @type {Client} */
    const client = { post: (message) => scope.postMessage(message) };
    scope.onmessage = ({ data }) => receive(client, data);
  }
}

/**
 * Whether this is a shared worker: only shared workers have `onconnect`.
 *
 * @param {WorkerGlobalScope} scope
 * @returns {scope is SharedWorkerGlobalScope}
 */
export const isShared = (scope) => 'onconnect' in scope;

/**
 * @param {SharedWorkerGlobalScope} scope
 * @param {Receive} receive
 */
function listenToPorts(scope, receive) {
  scope.onconnect = ({ ports: [port] }) => {
    /** @type {Client} */
    const client = { post: (message) => port.postMessage(message) };
    port.onmessage = ({ data }) => receive(client, data);
  };
}

/**
 * @param {string} name
 * @param {Receive} receive
 */
function listenToChannel(name, receive) {
  const channel = new BroadcastChannel(name);
  const post = (/** @type {string} */ to, /** @type {FromWorker} */ message) =>
    channel.postMessage({ to, message });
  /** @type {Map<string, Client>} */
  const clients = new Map();
  channel.onmessage = ({ data: { from, message } }) => {
    if (!from) return; // a message of an earlier worker, not of a page
    const client = clients.get(from) ?? { post: (answer) => post(from, answer) };
    if (message.type === 'bye') clients.delete(from);
    else clients.set(from, client);
    receive(client, message);
  };
  // Ask the pages that knew an earlier worker to introduce themselves again.
  post('all', { type: 'new-worker' });
}
