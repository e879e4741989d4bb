// What the panel's controls work on: this file is only types.

/**
 * @import { Facts } from './facts.js'
 * @import { Memory } from './memory.js'
 * @import { Page } from './panel.js'
 *
 * @typedef {object} Means
 * @property {Page} page
 * @property {Facts} facts
 * @property {Memory} memory
 * @property {(where: HTMLElement, text: string, mood?: 'bad' | 'good') => void} say shows what
 *   became of a click, and reads it out
 * @property {(paused: boolean) => void} pause the messages
 * @property {() => void} changed draws the panel soon
 */

export {};
