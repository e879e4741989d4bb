// Notes how this page's first number reads in each frame, when it was painted, and all that moves.
'use strict';

(() => {
  const noted = { texts: [], shifts: [], without: 0, painted: 0, firstPaint: 0, firstNumber };

  function firstNumber() {
    const files = performance.getEntriesByType('resource');
    const [page] = performance.getEntriesByType('navigation');
    const bytes = (some) =>
      some.reduce((sum, { transferSize }) => sum + transferSize, page.transferSize);
    return {
      text: noted.texts[0],
      frames_without: noted.without,
      painted_ms: Math.round(noted.painted),
      first_paint_ms: Math.round(noted.firstPaint),
      needed_bytes: bytes(files.filter((file) => file.renderBlockingStatus === 'blocking')),
      loaded_bytes: bytes(files.filter((file) => file.responseEnd <= noted.painted)),
    };
  }
  window.audit = noted;

  // Each frame begins with this and ends with being painted: so whatever it finds here somebody
  // could see, and whatever a parser or an observer does between two frames, nobody.
  const look = () => {
    const text = document.querySelector('[data-testid="views"]')?.textContent;
    if (!text) noted.without += 1;
    else if (noted.texts.at(-1) !== text) noted.texts.push(text);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);

  // The browser tells when it has first painted an element that asks for it.
  const ask = new MutationObserver(() => {
    const place = document.querySelector('[data-testid="views"]')?.closest('.count');
    if (!place) return;
    for (const element of [place, ...place.children])
      element.setAttribute('elementtiming', 'number');
    ask.disconnect();
  });
  ask.observe(document, { childList: true, subtree: true });

  /** @type {(type: string, note: (entry: any) => void) => void} */
  const observe = (type, note) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({
      type,
      buffered: true,
    });
  observe('element', ({ renderTime }) => (noted.painted ||= renderTime));
  observe('paint', ({ name, startTime }) => {
    if (name === 'first-contentful-paint') noted.firstPaint = startTime;
  });
  // Also right after a click, which the usual sum forgives.
  observe('layout-shift', ({ value, sources }) => {
    const moved = sources.map(
      ({ node }) => node?.outerHTML?.slice(0, 80) ?? node?.data ?? 'something gone',
    );
    noted.shifts.push(`${value.toFixed(5)}: ${moved.join(' and ')}`);
  });
})();
