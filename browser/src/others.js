// The numbers beside the other clips: as they were when the page was opened, or as other tabs raise them.
//
// The page asks no node for them, for it is not about them. It shows them all the same, so this
// browser remembers them: the next page must not show less.

import { openKeep } from './keep.js';
import { viewsNumber } from './number.js';

const keep = openKeep();
/** @type {NodeListOf<HTMLElement>} */
const numbers = document.querySelectorAll('.others [data-video]');
for (const element of numbers) viewsNumber(element, keep);
