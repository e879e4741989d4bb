// <view-count video="tide">: a video's views, live, on a page of any site that the counting one lists.
//
//   <script async src="https://SITE/view-count.js"></script>
//   <view-count video="tide">many</view-count> views
//
// It shows the number in the page's own font and the reader's language; what stands inside it,
// until a number is known. `compact` shortens it (1.2M). Everything that makes the number right
// happens in one frame of SITE that nobody sees, for all elements of the page: so this script
// needs no library, and the page's site no socket, worker or storage of ours but for one line a
// video: the highest number, which is there at once after a reload and is never taken back.
//
// The page and the frame tell each other (an older copy of this file may talk to a newer frame, so
// these only ever get more):
//
//   page -> frame   {watch: video}   {forget: video}
//   frame -> page   {video, views, exact: "1,234,567", short: "1.2M"}   {video, refused: why}   {here: true}
//
// A classic script: pages of other sites may load those from anywhere, without asking first.
'use strict';

(() => {
  const NAME = 'view-count';
  // Between the frame's being loaded and its first word; it says that at once.
  const SILENT_MS = 5_000;
  const SLOW_MS = 30_000;
  // Until an absent site is asked again, at first and at most.
  let again_ms = 5_000;
  const MOST_AGAIN_MS = 10 * 60_000;
  // An element that moves within its page is gone for a moment.
  const GONE_MS = 1_000;
  // Read by screen readers, seen by nobody. (Set by script, which a page's policy does not forbid.)
  const UNSEEN =
    'position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap';

  /** @param {string} what */
  const warn = (what) => console.warn(`<${NAME}>: ${what}`);

  const source = /** @type {HTMLScriptElement | null} */ (document.currentScript)?.src;
  if (!source)
    return warn('load its script by a plain <script async src>, so that it knows its site.');
  const SITE = new URL(source).origin;
  if (customElements.get(NAME)) return; // loaded twice

  /**
   * @typedef {object} Known what the frame said of a video
   * @property {number} views
   * @property {string} exact
   * @property {string} short
   */

  /** @type {Map<string, Set<ViewCount>>} */
  const elements = new Map();
  /** @type {Map<string, Known>} */
  const known = new Map();
  /** @type {HTMLIFrameElement | undefined} */
  let frame;
  let loaded = false;
  let heard = false;
  let warned = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence;

  // -- what this browser remembers for this page's site ------------------------------------------

  /** @param {string} video */
  const keyOf = (video) => `ratchet:${NAME}:${SITE}/${video}`;

  /** @param {any} said @returns {said is Known} */
  const isKnown = (said) =>
    Number.isSafeInteger(said?.views) &&
    said.views >= 0 &&
    [said.exact, said.short].every((text) => typeof text === 'string' && text.length < 100);

  /** @param {string} video @returns {Known | undefined} */
  function remembered(video) {
    try {
      const kept = JSON.parse(localStorage.getItem(keyOf(video)) ?? 'null');
      return isKnown(kept) ? kept : undefined;
    } catch {
      return undefined; // refused, or no JSON: then the frame will say it
    }
  }

  /** @param {string} video @param {Known} said */
  function remember(video, { views, exact, short }) {
    try {
      // Another tab may have gone further.
      if (views >= (remembered(video)?.views ?? 0))
        localStorage.setItem(keyOf(video), JSON.stringify({ views, exact, short }));
    } catch {
      // Refused, or full: the frame has its own memory.
    }
  }

  /**
   * Shows it, unless a higher number is shown already.
   *
   * @param {string} video
   * @param {Known} said
   */
  function raise(video, said) {
    if (said.views < (known.get(video)?.views ?? 0)) return;
    known.set(video, said);
    for (const element of elements.get(video) ?? []) element.show(said);
  }

  // -- the frame ---------------------------------------------------------------------------------

  /**
   * To whoever is in the frame: if the browser has put a page of its own there, this is no secret.
   *
   * @param {object} message
   */
  const tell = (message) => {
    if (loaded) frame?.contentWindow?.postMessage(message, '*');
  };

  function openFrame() {
    frame = document.createElement('iframe');
    frame.title = 'view counts';
    frame.tabIndex = -1;
    frame.referrerPolicy = 'no-referrer';
    // It may do what it does, and nothing to this page. (On its own site that would keep nothing in.)
    if (SITE !== location.origin) frame.setAttribute('sandbox', 'allow-scripts allow-same-origin');
    // Not by a rule that a page's own for its frames could outdo.
    frame.style.setProperty('display', 'none', 'important');
    frame.onload = () => {
      loaded = true;
      expectWord(SILENT_MS);
      for (const video of elements.keys()) tell({ watch: video });
    };
    frame.src = `${SITE}/embed`;
    // Not into the body, which scripts like to write anew.
    document.documentElement.append(frame);
    expectWord(SLOW_MS);
  }

  /** @param {number} within_ms */
  function expectWord(within_ms) {
    clearTimeout(silence);
    if (heard) return;
    silence = setTimeout(() => {
      if (!warned)
        warn(
          `${SITE} does not answer this page. It may be away; or its RATCHET_EMBED_ORIGINS does not name ` +
            `${location.origin}; or this page's own policy allows no frame of it (frame-src).`,
        );
      warned = true;
      // It may be back later. Ever more seldom: a page that isn't on the list never will be.
      silence = setTimeout(closeFrame, again_ms * (0.5 + Math.random()));
      again_ms = Math.min(2 * again_ms, MOST_AGAIN_MS);
      addEventListener('online', closeFrame, { once: true });
    }, within_ms);
  }

  function closeFrame() {
    clearTimeout(silence);
    removeEventListener('online', closeFrame);
    frame?.remove();
    frame = undefined;
    loaded = false;
    if (elements.size) needFrame();
  }

  /** Once somebody can see the page: one that is opened in the background costs nothing. */
  function needFrame() {
    if (document.hidden)
      return document.addEventListener('visibilitychange', needFrame, { once: true });
    if (frame && !frame.isConnected)
      closeFrame(); // somebody has removed it
    else if (!frame) openFrame();
  }

  addEventListener('message', ({ source: from, origin, data }) => {
    if (!frame || from !== frame.contentWindow || origin !== SITE) return;
    heard = true;
    clearTimeout(silence);
    if (!elements.has(data?.video)) return;
    if (typeof data.refused === 'string')
      return warn(`no views of "${data.video}": ${data.refused}`);
    if (!isKnown(data)) return;
    remember(data.video, data);
    raise(data.video, data);
  });

  addEventListener('storage', ({ key }) => {
    for (const video of elements.keys()) {
      const kept = key === keyOf(video) && remembered(video);
      if (kept) raise(video, kept);
    }
  });

  // -- the element -------------------------------------------------------------------------------

  class ViewCount extends HTMLElement {
    static observedAttributes = ['video', 'compact'];

    /** What it watches while it stands on the page. */
    #video = '';
    #shadow = this.attachShadow({ mode: 'open' });
    #number = document.createElement('data');
    #seen = document.createElement('span');
    #said = document.createElement('span');

    constructor() {
      super();
      this.#said.style.cssText = UNSEEN;
      this.#shadow.append(document.createElement('slot'));
    }

    /** The number that is shown; null until there is one. */
    get views() {
      return known.get(this.#video)?.views ?? null;
    }

    connectedCallback() {
      this.#watch(this.getAttribute('video') ?? '');
    }

    disconnectedCallback() {
      this.#watch('');
    }

    attributeChangedCallback() {
      if (!this.isConnected) return;
      this.#watch(this.getAttribute('video') ?? '');
      const said = known.get(this.#video);
      if (said) this.show(said);
    }

    /** @param {Known} said */
    show({ views, exact, short }) {
      const text = this.hasAttribute('compact') ? short : exact;
      this.#number.value = String(views);
      if (text === exact) this.#number.removeAttribute('title');
      else this.#number.title = exact;
      // A shortened number is for the eye alone: there is time to say the whole one.
      this.#said.textContent = exact;
      this.#seen.textContent = text;
      this.#seen.ariaHidden = text === exact ? null : 'true';
      this.#number.replaceChildren(...(text === exact ? [this.#seen] : [this.#seen, this.#said]));
      if (!this.#number.isConnected) this.#shadow.replaceChildren(this.#number);
    }

    /** @param {string} video */
    #watch(video) {
      if (video === this.#video) return;
      leave(this, this.#video);
      this.#video = video;
      if (!video) return;
      join(this, video);
      const said = known.get(video);
      if (said) this.show(said);
      else this.#shadow.replaceChildren(document.createElement('slot'));
    }
  }

  /** @param {ViewCount} element @param {string} video */
  function join(element, video) {
    const group = elements.get(video) ?? new Set();
    elements.set(video, group.add(element));
    needFrame();
    if (group.size > 1) return;
    const kept = remembered(video);
    if (kept) raise(video, kept);
    tell({ watch: video });
  }

  /** @param {ViewCount} element @param {string} video */
  function leave(element, video) {
    const group = elements.get(video);
    if (!group?.delete(element)) return;
    setTimeout(() => {
      if (group.size || elements.get(video) !== group) return;
      elements.delete(video);
      tell({ forget: video });
    }, GONE_MS);
  }

  customElements.define(NAME, ViewCount);
})();
