// The numbers beside the other clips: of the moment the page was opened, and of what other tabs hear since.
//
// Nobody is asked for them here, they are not what this page is about. Shown they are all the
// same, so this browser remembers them: the next page must not show less.

import { openKeep } from './keep.js';
import { viewsNumber } from './number.js';

const keep = openKeep();
for (const element of document.querySelectorAll('.others [data-video]')) {
  viewsNumber(/** @type {HTMLElement} */ (element), keep);
}
