// Whether the browser is offline: by its own word, and by what comes from the site.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { openNetwork } from '../src/network.js';

class Scope extends EventTarget {
  navigator = { onLine: true };

  /** @param {boolean} onLine */
  turns(onLine) {
    this.navigator.onLine = onLine;
    this.dispatchEvent(new Event(onLine ? 'online' : 'offline'));
  }
}

let scope = new Scope();
beforeEach(() => {
  scope = new Scope();
});

test('a browser that loses its network is offline until it is back', () => {
  const network = openNetwork(scope);
  network.received();
  assert.equal(network.isOffline(), false);
  scope.turns(false);
  assert.equal(network.isOffline(), true);
  scope.turns(true);
  assert.equal(network.isOffline(), false);
});

test('a browser that calls itself offline and receives messages is not', () => {
  scope.navigator.onLine = false;
  const network = openNetwork(scope);
  assert.equal(network.isOffline(), true);
  network.received();
  assert.equal(network.isOffline(), false);
});

test('a message that came before the network was lost proves nothing', () => {
  scope.navigator.onLine = false;
  const network = openNetwork(scope);
  network.received();
  scope.turns(true);
  scope.turns(false);
  assert.equal(network.isOffline(), true);
});
