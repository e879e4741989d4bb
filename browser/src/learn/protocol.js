// What the lesson's page and its worker send each other: this file is only types.

/**
 * A number, and the parts that add up to it. A naive way with one number has one part without a
 * name.
 *
 * @typedef {{name: string, views: number, closed: boolean}} Part
 * @typedef {{value: number, parts: Part[]}} Bar
 *
 * One moment (scene.py). `slot`: where the node counts; `gone`: it was retired; `highest`: the
 * highest number that the naive page has shown; `lost`: views that no node and no disk has any
 * more.
 *
 * @typedef {{name: string, running: boolean, cut: boolean, gone: boolean, slot: string, bar: Bar}} NodeScene
 * @typedef {{at: string, connected: boolean, bar: Bar}} PageScene
 * @typedef {{nodes: {[name: string]: Bar}, page: Bar, highest: number}} NaiveScene
 * @typedef {object} Scene
 * @property {number} truth
 * @property {number} lost
 * @property {{[name: string]: NodeScene}} nodes
 * @property {PageScene} page
 * @property {{[way: string]: NaiveScene}} naive
 *
 * The result of the last order (lesson.py). `scenes`: the moments on the way, the last one is now;
 * `said`, `naive`: the sentences about the counter, and about each naive way; `possible`: what can
 * be ordered next.
 *
 * @typedef {{scenes: Scene[], said: string, naive: {[way: string]: string}, possible: string[]}} Answer
 *
 * @typedef {{id: number, orders: string[], afresh: boolean}} Request
 * @typedef {{type: 'ready', how: 'snapshot' | 'plain'}
 *   | {type: 'failed', why: string}
 *   | {type: 'answer', id: number, answer: Answer}
 *   | {type: 'refused', id: number, why: string}} Response
 */

export {};
