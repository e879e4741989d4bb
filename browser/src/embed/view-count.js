// <view-count video="tide">: a video's views, live, on a page of any site that the counting site lists.
//
//   <script async src="https://SITE/view-count.js"></script>
//   <view-count video="tide">many</view-count> views
//
// The element shows the number in the page's own font and the reader's language. Until a number is
// known, it shows its content. `compact` shortens the number (1.2M).
//
// A page may show counts of several sites. An element belongs to the script before it, or to the
// site that it names: <view-count site="https://SITE" video="tide">. The first of the scripts that
// runs does the work for all.
//
// One stream of events from SITE brings the numbers of all its elements on the page: see light.js. The
// script keeps one entry for each video in the local storage of the page's own site: the highest number
// shown. After a reload, the element shows this number at once, and never a smaller one.
//
// With the attribute `replica`, one hidden frame of SITE does the work instead. It runs Ratchet's core, as
// the clip's own page does: it merges the states of all nodes that it hears, and stores them. So it may
// know of views that no single node knows yet. It costs five megabytes at the first visit.
//
// The page and the frame send each other these messages. An older copy of this file may talk to a
// newer frame, so a new version may add messages, but must not change any:
//
//   page -> frame   {watch: video}   {forget: video}
//   frame -> page   {video, views, exact: "1,234,567", short: "1.2M"}   {video, refused: why}   {here: true}
//
// The build makes one classic script of this file and its imports. Pages of other sites may load a
// classic script from anywhere, but a module only from a site that allows it.

import { MOST_VIDEOS } from '../live-together.js';
import { isVideoId } from '../video-id.js';
import { viewsFormat } from '../views-format.js';
import { lightSite } from './light.js';

(() => {
  const NAME = 'view-count';
  const PATH = '/view-count.js';
  // The longest time from the frame's load event to its first message.
  const SILENT_MS = 5_000;
  const SLOW_MS = 30_000;
  // How long to wait before the frame of a site that did not answer is opened again: at first, at
  // most.
  const AGAIN_MS = 5_000;
  const MOST_AGAIN_MS = 10 * 60_000;
  // An element that moves within its page is away for a moment, less than this.
  const GONE_MS = 1_000;
  // An image that never comes must not keep the counts away.
  const COMPLETE_MS = 10_000;
  const IDLE_MS = 1_000;
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
  const OWN = new URL(script.src).origin;
  if (customElements.get(NAME)) return; // loaded twice, or from another site, too

  /**
   * @typedef {object} Known what the frame has sent of a video
   * @property {number} views
   * @property {string} exact
   * @property {string} short
   */

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

  // A script of the page may compare the whole document with what it has rendered (React 18 does),
  // and throw the document away if it finds a node that it does not know. Such scripts have run when
  // the page is loaded and has nothing left to do.
  let isComplete = false;
  const completed = new Promise((resolve) => {
    if (document.readyState === 'complete') resolve(undefined);
    addEventListener('load', resolve, { once: true });
    setTimeout(resolve, COMPLETE_MS);
  })
    .then(
      () =>
        new Promise((resolve) => {
          if ('requestIdleCallback' in globalThis)
            requestIdleCallback(resolve, { timeout: IDLE_MS });
          else setTimeout(resolve);
        }),
    )
    .then(() => {
      isComplete = true;
    });

  const format = viewsFormat(navigator.languages, 'en');

  /** A counting site: what it has sent, and the elements that show it. */
  class Site {
    #origin;
    /** @type {Map<string, Set<ViewCount>>} */
    #elements = new Map();
    /** @type {Map<string, Known>} */
    #known = new Map();
    #light;
    /** The videos that come over the stream, and those that the frame brings. @type {Set<string>} */
    #lightly = new Set();
    /** For which there is no room yet. @type {Set<string>} */
    #waiting = new Set();
    /** @type {Set<string>} */
    #framed = new Set();
    /** @type {HTMLIFrameElement | undefined} */
    #frame;
    #loaded = false;
    #answered = false;
    #warned = false;
    #again_ms = AGAIN_MS;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #silence;

    /** @param {string} origin */
    constructor(origin) {
      this.#origin = origin;
      this.#light = lightSite(origin, {
        views: (video, views) => {
          const now = { views, exact: format.exact(views), short: format.short(views) };
          this.#remember(video, now);
          this.#raise(video, now);
        },
        unknown: (video) => this.#refused(video, 'the site counts no such video.'),
        unanswered: () => this.#warnOfSilence('connection to it (connect-src)'),
      });
      addEventListener('message', (event) => this.#receive(event));
      addEventListener('storage', ({ key }) => {
        for (const video of this.#elements.keys()) {
          const now = key === this.#keyOf(video) ? this.#remembered(video) : undefined;
          if (now) this.#raise(video, now);
        }
      });
    }

    /** @param {string} video */
    known(video) {
      return this.#known.get(video);
    }

    /**
     * @param {ViewCount} element
     * @param {string} video
     */
    join(element, video) {
      const group = this.#elements.get(video) ?? new Set();
      this.#elements.set(video, group.add(element));
      if (group.size === 1) {
        const now = this.#remembered(video);
        if (now) this.#raise(video, now);
      }
      this.#follow(video);
    }

    /** @param {string} video */
    #follow(video) {
      if (this.#isFollowed(video)) this.#needFrame();
      else if (this.#isFull(video)) this.#waitForRoom(video);
      else if (this.#needsFrame(video)) {
        this.#forgetLightly(video);
        this.#framed.add(video);
        this.#needFrame();
        this.#post({ watch: video });
      } else if (!isVideoId(video)) {
        this.#refused(video, 'this is no video’s id.');
      } else {
        this.#lightly.add(video);
        this.#light.watch(video);
      }
    }

    /** @param {string} video */
    #needsFrame(video) {
      const elements = [...(this.#elements.get(video) ?? [])];
      return elements.some((element) => element.hasAttribute('replica'));
    }

    /** @param {string} video */
    #isFollowed(video) {
      return this.#framed.has(video) || (this.#lightly.has(video) && !this.#needsFrame(video));
    }

    /** @param {string} video */
    #isFull(video) {
      return (this.#needsFrame(video) ? this.#framed : this.#lightly).size >= MOST_VIDEOS;
    }

    /**
     * An app may show a new page's elements while those of the old page are still going.
     *
     * @param {string} video
     */
    #waitForRoom(video) {
      if (this.#waiting.has(video)) return;
      this.#waiting.add(video);
      setTimeout(() => {
        if (this.#waiting.has(video))
          warn(`no views of "${video}": a page shows ${MOST_VIDEOS} videos at most.`);
      }, 2 * GONE_MS);
    }

    /** @param {string} video */
    #forgetLightly(video) {
      if (this.#lightly.delete(video)) this.#light.forget(video);
    }

    #followThoseThatWait() {
      for (const video of this.#waiting) {
        if (this.#isFull(video)) continue;
        this.#waiting.delete(video);
        this.#follow(video);
      }
    }

    /**
     * @param {ViewCount} element
     * @param {string} video
     */
    leave(element, video) {
      const group = this.#elements.get(video);
      if (!group?.delete(element)) return;
      setTimeout(() => {
        if (group.size || this.#elements.get(video) !== group) return;
        this.#elements.delete(video);
        this.#waiting.delete(video);
        this.#forgetLightly(video);
        if (this.#framed.delete(video)) this.#post({ forget: video });
        this.#followThoseThatWait();
      }, GONE_MS);
    }

    // -- what this browser remembers for this page's site ----------------------------------------

    /** @param {string} video */
    #keyOf(video) {
      return `ratchet:${NAME}:${this.#origin}/${video}`;
    }

    /** @param {string} video */
    #remembered(video) {
      try {
        return knownIn(JSON.parse(localStorage.getItem(this.#keyOf(video)) ?? 'null'));
      } catch {
        return undefined; // refused, or no JSON: then the frame will send it
      }
    }

    /**
     * @param {string} video
     * @param {Known} now
     */
    #remember(video, now) {
      try {
        // Another tab may know a higher number.
        if (now.views < (this.#remembered(video)?.views ?? 0)) return;
        localStorage.setItem(this.#keyOf(video), JSON.stringify(now));
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
    #raise(video, now) {
      if (now.views < (this.#known.get(video)?.views ?? 0)) return;
      this.#known.set(video, now);
      for (const element of this.#elements.get(video) ?? []) element.show(now);
    }

    // -- the frame -------------------------------------------------------------------------------

    /**
     * Opens the frame once the page is complete and somebody can see it: a page in the background
     * costs nothing.
     */
    #needFrame = () => {
      if (document.hidden) {
        document.addEventListener('visibilitychange', this.#needFrame, { once: true });
      } else if (!isComplete) {
        void completed.then(this.#needFrame);
      } else if (this.#frame && !this.#frame.isConnected) {
        this.#closeFrame(); // a script of the page has removed it
      } else if (!this.#frame && this.#framed.size) {
        this.#openFrame();
      }
    };

    #openFrame() {
      const frame = document.createElement('iframe');
      frame.title = 'view counts';
      frame.tabIndex = -1;
      frame.referrerPolicy = 'no-referrer';
      // The sandbox lets the frame do its own work, and nothing to this page. (If the frame had this
      // page's origin, a sandbox with both permissions would protect nothing.)
      if (this.#origin !== location.origin)
        frame.setAttribute('sandbox', 'allow-scripts allow-same-origin');
      // `important`, because the page may have a rule of its own for its frames.
      frame.style.setProperty('display', 'none', 'important');
      frame.onload = () => {
        this.#loaded = true;
        this.#expectMessage(SILENT_MS);
        for (const video of this.#framed) this.#post({ watch: video });
      };
      frame.src = `${this.#origin}/embed`;
      this.#frame = frame;
      // Not into the body: scripts may replace its content.
      document.documentElement.append(frame);
      this.#expectMessage(SLOW_MS);
    }

    #closeFrame = () => {
      clearTimeout(this.#silence);
      removeEventListener('online', this.#closeFrame);
      this.#frame?.remove();
      this.#frame = undefined;
      this.#loaded = false;
      if (this.#framed.size) this.#needFrame();
    };

    /** @param {number} within_ms */
    #expectMessage(within_ms) {
      clearTimeout(this.#silence);
      if (this.#answered) return;
      this.#silence = setTimeout(() => {
        this.#warnOfSilence('frame of it (frame-src)');
        // The site may be back later. Try ever more seldom: if the page is not listed, no answer
        // will come.
        this.#silence = setTimeout(this.#closeFrame, this.#again_ms * (0.5 + Math.random()));
        this.#again_ms = Math.min(2 * this.#again_ms, MOST_AGAIN_MS);
        addEventListener('online', this.#closeFrame, { once: true });
      }, within_ms);
    }

    /**
     * Sends a message to the frame, whatever its origin is: the browser may have put an error page
     * into the frame, and the message is no secret.
     *
     * @param {{watch: string} | {forget: string}} message
     */
    #post(message) {
      if (this.#loaded) this.#frame?.contentWindow?.postMessage(message, '*');
    }

    /** @param {string} what this page's policy may forbid */
    #warnOfSilence(what) {
      if (!this.#warned)
        warn(
          `${this.#origin} does not answer this page. It may be down; or its RATCHET_EMBED_ORIGINS ` +
            `does not name ${location.origin}; or this page's own policy allows no ${what}.`,
        );
      this.#warned = true;
    }

    /**
     * @param {string} video
     * @param {string} why
     */
    #refused(video, why) {
      this.#forgetLightly(video);
      this.#followThoseThatWait();
      warn(`no views of "${video}": ${why}`);
    }

    /** @param {MessageEvent} event */
    #receive({ source, origin, data }) {
      if (!this.#frame || source !== this.#frame.contentWindow || origin !== this.#origin) return;
      this.#answered = true;
      clearTimeout(this.#silence);
      if (!this.#elements.has(data?.video)) return;
      if (typeof data.refused === 'string') {
        this.#refused(data.video, data.refused);
        return;
      }
      const now = knownIn(data);
      if (!now) return;
      this.#remember(data.video, now);
      this.#raise(data.video, now);
    }
  }

  // -- which site --------------------------------------------------------------------------------

  /** By origin. Undefined for a text that names none. @type {Map<string, Site | undefined>} */
  const sites = new Map();

  /** @param {ViewCount} element */
  function siteOf(element) {
    const named = element.getAttribute('site') ?? originBefore(element);
    const origin = originIn(named);
    const name = origin || named;
    if (!sites.has(name)) {
      if (!origin) warn(`site="${named}" is no address of a site.`);
      sites.set(name, origin ? new Site(origin) : undefined);
    }
    return sites.get(name);
  }

  /**
   * The origin of an address; empty if it has none.
   *
   * @param {string} address
   * @param {string} [path] that the address must have
   */
  function originIn(address, path) {
    try {
      const { protocol, origin, pathname } = new URL(address);
      return protocol.startsWith('http') && pathname === (path ?? pathname) ? origin : '';
    } catch {
      return '';
    }
  }

  /**
   * The origin of the last script of this kind before the element, else of the first one. (The order
   * in which scripts run says nothing: they are async.)
   *
   * @param {Element} element
   */
  function originBefore(element) {
    const place = placeOf(element);
    let found = '';
    for (const one of document.scripts) {
      const origin = originIn(one.src, PATH);
      const isBefore = place.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_PRECEDING;
      if (origin && (isBefore || !found)) found = origin;
    }
    return found || OWN;
  }

  /**
   * The element's place in the document itself, outside of all shadow trees.
   *
   * @param {Element} element
   * @returns {Element}
   */
  function placeOf(element) {
    const root = element.getRootNode();
    return root instanceof ShadowRoot ? placeOf(root.host) : element;
  }

  // -- the element -------------------------------------------------------------------------------

  class ViewCount extends HTMLElement {
    static observedAttributes = ['video', 'site', 'compact', 'replica'];

    /** The site and the video that it watches; none while the element is not on the page. */
    /** @type {Site | undefined} */
    #site;
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
      return this.#known()?.views ?? null;
    }

    connectedCallback() {
      this.#watch();
    }

    disconnectedCallback() {
      this.#watch();
    }

    /** @param {string} name */
    attributeChangedCallback(name) {
      if (!this.isConnected) return;
      this.#watch();
      if (name === 'replica' && this.#video) this.#site?.join(this, this.#video);
      const now = this.#known();
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

    #known() {
      return this.#site?.known(this.#video);
    }

    /** Watches what the attributes name; nothing while the element is not on the page. */
    #watch() {
      const video = this.isConnected ? (this.getAttribute('video') ?? '') : '';
      const site = video ? siteOf(this) : undefined;
      if (video === this.#video && site === this.#site) return;
      this.#site?.leave(this, this.#video);
      this.#site = site;
      this.#video = video;
      if (!video) return;
      site?.join(this, video);
      const now = this.#known();
      if (now) this.show(now);
      else this.#shadow.replaceChildren(document.createElement('slot'));
    }
  }

  customElements.define(NAME, ViewCount);
})();
