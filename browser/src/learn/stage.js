// The picture: one scene of the lesson as bars on one scale. It only draws; it counts nothing.

import { child, list, write } from '../elements.js';

/**
 * @typedef {{name: string, views: number, closed: boolean}} Part
 * @typedef {{value: number, parts: Part[]}} Bar
 * @typedef {{name: string, running: boolean, cut: boolean, gone: boolean, slot: string, bar: Bar}} NodeScene
 * @typedef {{at: string, connected: boolean, bar: Bar}} PageScene
 * @typedef {{nodes: {[name: string]: Bar}, page: Bar, highest: number}} NaiveScene
 * @typedef {{truth: number, lost: number, nodes: {[name: string]: NodeScene}, page: PageScene,
 *   naive: {[way: string]: NaiveScene}}} Scene
 */

// A scale that changed with each view would hide that the bars grow.
const SCALES = [12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256];
const ROOM = 1.25;

/** @param {HTMLElement} lesson */
export function openStage(lesson) {
  /** @param {string} name */
  const row = (name) => /** @type {HTMLElement} */ (lesson.querySelector(`[data-row="${name}"]`));
  const truth = /** @type {HTMLElement} */ (lesson.querySelector('.truth span'));

  return {
    /**
     * @param {Scene} scene
     * @param {string} way which naive way
     */
    draw(scene, way) {
      const needed = scene.truth * ROOM;
      const scale = SCALES.find((size) => size >= needed) ?? needed;
      lesson.style.setProperty('--scale', String(scale));
      lesson.style.setProperty('--truth', String(scene.truth));
      const lost = scene.lost ? `, ${scene.lost} lost with a disk` : '';
      truth.dataset.value = String(scene.truth);
      write(truth, `${scene.truth} views happened${lost}`);

      const naive = scene.naive[way];
      for (const node of Object.values(scene.nodes)) {
        const its = row(node.name);
        its.toggleAttribute('data-cut', node.cut);
        its.toggleAttribute('data-dead', !node.running);
        tellWho(its, node.slot || node.name, stateOf(node));
        drawBars(its, node.name, node.bar, naive.nodes[node.name], node.running, scale);
      }
      const page = row('page');
      page.toggleAttribute('data-alone', !scene.page.connected);
      tellWho(page, 'page', scene.page.connected ? `from ${scene.page.at}` : 'on its own');
      drawBars(page, 'page', scene.page.bar, naive.page, true, scale);
      const meter = /** @type {HTMLElement} */ (page.querySelector('.meter.naive'));
      drawFall(meter, naive.highest, naive.page.value);
    },
  };
}

/** @param {NodeScene} node */
function stateOf({ running, cut, gone }) {
  if (gone) return 'gone for good';
  if (!running) return 'dead';
  return cut ? 'cut off' : 'counting';
}

/**
 * What stood there before, and doesn't any more.
 *
 * @param {HTMLElement} meter
 * @param {number} highest
 * @param {number} value
 */
function drawFall(meter, highest, value) {
  if (highest <= value) return;
  const ghost = child(meter, 'span', 'fallen');
  ghost.style.setProperty('--views', String(highest - value));
  write(child(ghost, 'i', 'was'), `was ${highest}`);
}

/**
 * @param {HTMLElement} row
 * @param {string} what
 * @param {string} state
 */
function tellWho(row, what, state) {
  write(/** @type {HTMLElement} */ (row.querySelector('.what')), what);
  write(/** @type {HTMLElement} */ (row.querySelector('.state')), state);
}

/**
 * @param {HTMLElement} row
 * @param {string} name
 * @param {Bar} real
 * @param {Bar} naive
 * @param {boolean} compared a dead node isn't wrong
 * @param {number} scale
 */
function drawBars(row, name, real, naive, compared, scale) {
  const off = compared ? naive.value - real.value : 0;
  drawBar(row, 'real', `${name}, the counter`, real, 0, scale);
  drawBar(row, 'naive', `${name}, naive`, naive, off, scale);
}

/**
 * @param {HTMLElement} row
 * @param {'real' | 'naive'} way
 * @param {string} label
 * @param {Bar} bar
 * @param {number} off
 * @param {number} scale
 */
function drawBar(row, way, label, { value, parts }, off, scale) {
  const meter = /** @type {HTMLElement} */ (row.querySelector(`.meter.${way}`));
  const sum = /** @type {HTMLElement} */ (row.querySelector(`.sum.${way}`));
  meter.dataset.value = String(value);
  meter.toggleAttribute('data-over', value > scale);
  const told = parts.map(
    ({ name, views, closed }) => name && `${name} ${views}${closed ? ' closed' : ''}`,
  );
  const wrong = off ? `, ${Math.abs(off)} too ${off > 0 ? 'many' : 'few'}` : '';
  meter.setAttribute(
    'aria-label',
    `${label}: ${[`${value}${wrong}`, ...told].filter(Boolean).join('; ')}`,
  );
  for (const element of [meter, sum]) {
    if (off) element.dataset.off = String(off);
    else delete element.dataset.off;
  }
  write(child(sum, 'b', 'n'), String(value));
  write(child(sum, 'small', 'off'), off ? `${off > 0 ? '+' : '−'}${Math.abs(off)}` : '');

  list(
    meter,
    parts.map(({ name }) => name || 'number'),
    'span',
    (item, at) => {
      const { name, views, closed } = parts[at];
      item.className = 'part';
      item.dataset.part = name === 'base' ? 'base' : name.slice(0, 1);
      item.dataset.views = String(views);
      item.toggleAttribute('data-closed', closed);
      item.toggleAttribute('data-later', /@\d*[02468]$/.test(name));
      item.style.setProperty('--views', String(views));
      write(child(item, 'b', 'n'), String(views));
      write(child(item, 'i', 'of'), name);
    },
  );
}
