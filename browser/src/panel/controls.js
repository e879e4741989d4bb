// What the panel's controls get to work with. It is only types.

/**
 * @import { Facts } from './facts.js'
 * @import { Memory } from './memory.js'
 * @import { Page } from './panel.js'
 *
 * @typedef {object} Means
 * @property {Page} page
 * @property {Facts} facts
 * @property {Memory} memory
 * @property {(where: HTMLElement, text: string, mood?: 'bad' | 'good') => void} say shows the result
 *   of a click, and announces it
 * @property {(paused: boolean) => void} pause the messages
 * @property {() => void} changed draws the panel soon
 */

export {};
