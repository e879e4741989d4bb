/** The attributes of `<view-count>`. The last two are set by being there. */
export interface ViewCountAttributes {
  /** The video's id. */
  video: string;
  /** The address of the site that counts it. By default that of the last `view-count.js` before it. */
  site?: string;
  /** Shortens the number: 1.2M. */
  compact?: '' | true;
  /** Merges the states of all nodes itself, in a hidden frame, as the clip's own page does: 5 MB. */
  replica?: '' | true;
}

/** `<view-count video="tide">many</view-count>`: the views of a video, live. */
export interface ViewCountElement extends HTMLElement {
  /** The number that it shows; null until there is one. */
  readonly views: number | null;
}

declare global {
  interface HTMLElementTagNameMap {
    'view-count': ViewCountElement;
  }
}
