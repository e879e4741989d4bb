// <view-count video="tide">: a video's views, live, on a page of any site that the counting site lists.
//
//   <script async src="https://SITE/view-count.js"></script>
//   <view-count video="tide">many</view-count> views
//
// The element shows the number in the page's own font and the reader's language. Until a number is
// known, it shows its content. `compact` shortens the number (1.2M).
//
// One hidden frame of SITE does all the work, for all elements of the page: it connects, merges and
// stores. So this script needs no library, and opens no socket and no worker on the page's own
// site. It only keeps one entry for each video in that site's local storage: the highest number
// shown. After a reload, the element shows this number at once, and never a smaller one.
//
// The page and the frame send each other these messages. An older copy of this file may talk to a
// newer frame, so a new version may add messages, but must not change any:
//
//   page -> frame   {watch: video}   {forget: video}
//   frame -> page   {video, views, exact: "1,234,567", short: "1.2M"}   {video, refused: why}   {here: true}
//
// It is one file and a classic script. Pages of other sites may load a classic script from
// anywhere, but a module only from a site that allows it.
'use strict';

(() => {
  const NAME = 'view-count';
  // The longest time from the frame's load event to its first message.
  const SILENT_MS = 5_000;
  const SLOW_MS = 30_000;
  // How long to wait before the frame of a site that did not answer is opened again: at first, at
  // most.
  let again_ms = 5_000;
  const MOST_AGAIN_MS = 10 * 60_000;
  // An element that moves within its page is away for a moment, less than this.
  const GONE_MS = 1_000;
  // For screen readers only. (A page's policy does not forbid a style that a script sets.)
  const UNSEEN =
    'position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap';

  /** @param {string} text */
  const warn = (text) => console.warn(`<${NAME}>: ${text}`);

  const script = document.currentScript;
  if (!(script instanceof HTMLScriptElement && script.src)) {
    warn('load its script by a plain <script async src>, so that it knows its site.');
    return;
  }
  const SITE = new URL(script.src).origin;
  if (customElements.get(NAME)) return; // loaded twice

  /**
   * @typedef {object} Known what the frame has sent of a video
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
  let answered = false;
  let warned = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence;

  // -- what this browser remembers for this page's site ------------------------------------------

  /** @param {string} video */
  const keyOf = (video) => `ratchet:${NAME}:${SITE}/${video}`;

  /**
   * What this value says of a video, if it is well-formed.
   *
   * @param {Partial<Record<keyof Known, unknown>> | null} value
   * @returns {Known | undefined}
   */
  function knownIn(value) {
    const { views, exact, short } = value ?? {};
    const isNumber = typeof views === 'number' && Number.isSafeInteger(views) && views >= 0;
    return isNumber && isText(exact) && isText(short) ? { views, exact, short } : undefined;
  }

  /**
   * @param {unknown} value
   * @returns {value is string}
   */
  function isText(value) {
    return typeof value === 'string' && value.length < 100;
  }

  /** @param {string} video */
  function remembered(video) {
    try {
      return knownIn(JSON.parse(localStorage.getItem(keyOf(video)) ?? 'null'));
    } catch {
      return undefined; // refused, or no JSON: then the frame will send it
    }
  }

  /**
   * @param {string} video
   * @param {Known} now
   */
  function remember(video, now) {
    try {
      // Another tab may know a higher number.
      if (now.views < (remembered(video)?.views ?? 0)) return;
      localStorage.setItem(keyOf(video), JSON.stringify(now));
    } catch {
      // Refused, or full: the frame has its own storage.
    }
  }

  /**
   * Shows it, unless a higher number is shown already.
   *
   * @param {string} video
   * @param {Known} now
   */
  function raise(video, now) {
    if (now.views < (known.get(video)?.views ?? 0)) return;
    known.set(video, now);
    for (const element of elements.get(video) ?? []) element.show(now);
  }

  // -- the frame ---------------------------------------------------------------------------------

  /**
   * Sends a message to the frame, whatever its origin is: the browser may have put an error page
   * into the frame, and the message is no secret.
   *
   * @param {{watch: string} | {forget: string}} message
   */
  function post(message) {
    if (loaded) frame?.contentWindow?.postMessage(message, '*');
  }

  function openFrame() {
    frame = document.createElement('iframe');
    frame.title = 'view counts';
    frame.tabIndex = -1;
    frame.referrerPolicy = 'no-referrer';
    // The sandbox lets the frame do its own work, and nothing to this page. (If the frame had this
    // page's origin, a sandbox with both permissions would protect nothing.)
    if (SITE !== location.origin) frame.setAttribute('sandbox', 'allow-scripts allow-same-origin');
    // `important`, because the page may have a rule of its own for its frames.
    frame.style.setProperty('display', 'none', 'important');
    frame.onload = () => {
      loaded = true;
      expectMessage(SILENT_MS);
      for (const video of elements.keys()) post({ watch: video });
    };
    frame.src = `${SITE}/embed`;
    // Not into the body: scripts may replace its content.
    document.documentElement.append(frame);
    expectMessage(SLOW_MS);
  }

  /** @param {number} within_ms */
  function expectMessage(within_ms) {
    clearTimeout(silence);
    if (answered) return;
    silence = setTimeout(() => {
      if (!warned)
        warn(
          `${SITE} does not answer this page. It may be down; or its RATCHET_EMBED_ORIGINS does not ` +
            `name ${location.origin}; or this page's own policy allows no frame of it (frame-src).`,
        );
      warned = true;
      // The site may be back later. Try ever more seldom: if the page is not listed, no answer will
      // come.
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

  /** Opens the frame once somebody can see the page: a page in the background costs nothing. */
  function needFrame() {
    if (document.hidden) {
      document.addEventListener('visibilitychange', needFrame, { once: true });
    } else if (frame && !frame.isConnected) {
      closeFrame(); // a script of the page has removed it
    } else if (!frame) {
      openFrame();
    }
  }

  addEventListener('message', ({ source, origin, data }) => {
    if (!frame || source !== frame.contentWindow || origin !== SITE) return;
    answered = true;
    clearTimeout(silence);
    if (!elements.has(data?.video)) return;
    if (typeof data.refused === 'string') {
      warn(`no views of "${data.video}": ${data.refused}`);
      return;
    }
    const now = knownIn(data);
    if (!now) return;
    remember(data.video, now);
    raise(data.video, now);
  });

  addEventListener('storage', ({ key }) => {
    for (const video of elements.keys()) {
      const now = key === keyOf(video) ? remembered(video) : undefined;
      if (now) raise(video, now);
    }
  });

  // -- the element -------------------------------------------------------------------------------

  class ViewCount extends HTMLElement {
    static observedAttributes = ['video', 'compact'];

    /** The video that it watches; empty while the element is not on the page. */
    #video = '';
    #shadow = this.attachShadow({ mode: 'open' });
    #number = document.createElement('data');
    #seen = document.createElement('span');
    #spoken = document.createElement('span');

    constructor() {
      super();
      this.#spoken.style.cssText = UNSEEN;
      this.#shadow.append(document.createElement('slot'));
    }

    /** The number that the element shows; null until there is one. */
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
      const now = known.get(this.#video);
      if (now) this.show(now);
    }

    /** @param {Known} now */
    show({ views, exact, short }) {
      const text = this.hasAttribute('compact') ? short : exact;
      this.#number.value = String(views);
      if (text === exact) this.#number.removeAttribute('title');
      else this.#number.title = exact;
      // Only show a shortened number, don't read it out: a screen reader reads the whole number.
      this.#spoken.textContent = exact;
      this.#seen.textContent = text;
      this.#seen.ariaHidden = text === exact ? null : 'true';
      this.#number.replaceChildren(...(text === exact ? [this.#seen] : [this.#seen, this.#spoken]));
      if (!this.#number.isConnected) this.#shadow.replaceChildren(this.#number);
    }

    /** @param {string} video */
    #watch(video) {
      if (video === this.#video) return;
      leave(this, this.#video);
      this.#video = video;
      if (!video) return;
      join(this, video);
      const now = known.get(video);
      if (now) this.show(now);
      else this.#shadow.replaceChildren(document.createElement('slot'));
    }
  }

  /**
   * @param {ViewCount} element
   * @param {string} video
   */
  function join(element, video) {
    const group = elements.get(video) ?? new Set();
    elements.set(video, group.add(element));
    needFrame();
    if (group.size > 1) return;
    const now = remembered(video);
    if (now) raise(video, now);
    post({ watch: video });
  }

  /**
   * @param {ViewCount} element
   * @param {string} video
   */
  function leave(element, video) {
    const group = elements.get(video);
    if (!group?.delete(element)) return;
    setTimeout(() => {
      if (group.size || elements.get(video) !== group) return;
      elements.delete(video);
      post({ forget: video });
    }, GONE_MS);
  }

  customElements.define(NAME, ViewCount);
})();
