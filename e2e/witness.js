// Notes every number of views that this page ever shows, from before its first paint.
//
// It looks in every frame, before the browser paints it and after. It also looks after every change
// of the page, once all observers of the page (first-paint.js is one) have run: the browser paints
// nothing before that.
'use strict';

(() => {
  const numbers = [];
  window.witness = { numbers };

  const look = () => {
    const element = document.querySelector('[data-testid="views"]');
    const digits = element?.textContent.replace(/\D/g, '');
    if (!digits) return;
    if (numbers.at(-1) !== Number(digits)) numbers.push(Number(digits));
  };

  new MutationObserver(() => queueMicrotask(look)).observe(document, {
    attributes: true,
    characterData: true,
    childList: true,
    subtree: true,
  });

  const painted = new MessageChannel();
  painted.port1.onmessage = look;
  const frame = () => {
    look();
    painted.port2.postMessage('');
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})();
