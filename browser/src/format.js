// Two global functions of views-format.js, which first-paint.js needs before any module can run.
//
// The build makes one classic script of this file and its import. number.js imports it for the same
// functions; on our own pages they exist by then.

import { viewsFormat, viewsKept } from './views-format.js';

globalThis.viewsKept ??= viewsKept;
globalThis.viewsFormat ??= viewsFormat;
