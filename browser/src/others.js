// The numbers of the other clips on a watch page: from when the page was opened, or raised by other tabs.
//
// The page does not ask nodes for newer ones: it is about another clip. But it shows these numbers,
// so this browser remembers them: the next page must not show less.

import { openKeep } from './keep.js';
import { viewsNumber } from './number.js';

const keep = openKeep();
await globalThis.viewsKnown;
/** @type {NodeListOf<HTMLElement>} */
const numbers = document.querySelectorAll('.others [data-video]');
for (const element of numbers) viewsNumber(element, keep);
