/** What `count.js` tells of a view that a node has accepted: `detail` of the event `ratchet-counted`. */
export interface RatchetCounted {
  /** The origin of the site that has counted it. */
  site: string;
  /** The video's id. */
  video: string;
  /** How many views the video has now, as one node knows. */
  views: number;
  /** The view is safe, but nodes that can't be reached must be asked for it before it counts. */
  pending: boolean;
}

/** The attributes of the script's tag. */
export interface CountScriptAttributes {
  /** A view counts once so many seconds were watched, or nine tenths of a shorter clip. */
  'data-after'?: string;
  /** This browser counts at most one view of a video per day (UTC). */
  'data-once'?: 'day';
}

/** The attribute of a player whose views count, or of an element around it. */
export interface CountedAttributes {
  /** The video's id. */
  'data-ratchet': string;
}

declare global {
  interface DocumentEventMap {
    'ratchet-counted': CustomEvent<RatchetCounted>;
  }
}
