// count.js: counts the views of the players on a page of any site that the counting site lists.
//
//   <script async src="https://SITE/count.js"></script>
//   <video data-ratchet="tide" src="…"></video>
//
// The id may also be on an element around the player, as with players that build their own <video>.
// Settings stand on the script: data-after="10" counts a view once ten seconds were watched, or nine
// tenths of a shorter clip; data-once="day" counts at most one view of a video per day (UTC) in this
// browser.
//
// A view that no node answers is sent again for ten minutes, also by later pages of this site. When a
// node has accepted it, the document gets the event `ratchet-counted`, whose detail is {site, video, views,
// pending}. `pending` is true while nodes that can't be reached must be asked for it first. The script stores only views on their way and, with `data-once`, the day of the last view: no cookie, no name of
// the viewer.
//
// The build bundles this file and its imports into one classic script. Pages of other sites may load
// a classic script from anywhere, but a module only from a site that allows it.

import { openKeep } from '../keep.js';
import { openOutbox } from '../outbox.js';
import { onViews } from '../players.js';
import { keepFor, oncePerDay } from './kept.js';

/** @param {string} text */
const warn = (text) => console.warn(`count.js: ${text}`);

const script = document.currentScript;
if (script instanceof HTMLScriptElement && script.src) start(script);
else warn('load it by a plain <script async src>, so that it knows its site.');

/** @param {HTMLScriptElement} own */
function start({ src, dataset }) {
  const site = new URL(src).origin;
  // A page may have the tag twice, or load it again when it changes its body. Each view counts once.
  const isHere = `ratchet-count ${site}`;
  if (isHere in document) return;
  Object.defineProperty(document, isHere, { value: true });
  const keep = keepFor(site, openKeep());
  const outbox = openOutbox(
    keep,
    {
      counted(video, views, pending) {
        document.dispatchEvent(
          new CustomEvent('ratchet-counted', { detail: { site, video, views, pending } }),
        );
      },
      refused(video, status) {
        warn(`${site} has refused a view of ${video}: status ${status}.`);
      },
      log(line) {
        console.debug(`count.js: ${line}`);
      },
    },
    site,
  );
  const isNew = dataset.once === 'day' ? oncePerDay(keep) : () => true;
  if (dataset.once && dataset.once !== 'day') warn('data-once is "day", or is left out.');
  const after_s = Number(dataset.after ?? 0);
  const isTime = after_s >= 0;
  if (!isTime) warn('data-after is a number of seconds.');
  outbox.resume();
  onViews(
    (video) => {
      if (isNew(video)) outbox.count(video);
    },
    isTime ? after_s : 0,
    warn,
  );
}
