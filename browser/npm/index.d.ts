export type * from './count.js';
export type * from './view-count.js';
