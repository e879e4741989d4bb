// The picture: one moment of the lesson as bars on one scale. It only draws; it counts nothing.

/** @import { Bar, NodeScene, Scene } from './protocol.js' */

import { child, list, within, write } from '../elements.js';

// If the scale changed with each view, the bars would not seem to grow.
const SCALES = [12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256];
const ROOM = 1.25;

/** @param {HTMLElement} lesson */
export function openStage(lesson) {
  const row = (/** @type {string} */ name) => within(lesson, `[data-row="${name}"]`);
  const truth = within(lesson, '.truth span');

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
        writeName(its, node.slot || node.name, stateOf(node));
        drawBars(its, node.name, node.bar, naive.nodes[node.name], node.running, scale);
      }
      const page = row('page');
      page.toggleAttribute('data-alone', !scene.page.connected);
      writeName(page, 'page', scene.page.connected ? `from ${scene.page.at}` : 'on its own');
      drawBars(page, 'page', scene.page.bar, naive.page, true, scale);
      drawFall(within(page, '.meter.naive'), naive.highest, naive.page.value);
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
 * Draws how far the naive page's number has fallen.
 *
 * @param {HTMLElement} meter
 * @param {number} highest
 * @param {number} value
 */
function drawFall(meter, highest, value) {
  if (highest <= value) return;
  const fallen = child(meter, 'span', 'fallen');
  fallen.style.setProperty('--views', String(highest - value));
  write(child(fallen, 'i', 'was'), `was ${highest}`);
}

/**
 * @param {HTMLElement} row
 * @param {string} name
 * @param {string} state
 */
function writeName(row, name, state) {
  write(within(row, '.what'), name);
  write(within(row, '.state'), state);
}

/**
 * @param {HTMLElement} row
 * @param {string} name
 * @param {Bar} real
 * @param {Bar} naive
 * @param {boolean} compared false for a dead node: it is not wrong
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
 * @param {number} off by how much it is wrong
 * @param {number} scale
 */
function drawBar(row, way, label, { value, parts }, off, scale) {
  const meter = within(row, `.meter.${way}`);
  const sum = within(row, `.sum.${way}`);
  meter.dataset.value = String(value);
  meter.toggleAttribute('data-over', value > scale);
  meter.setAttribute('aria-label', `${label}: ${spokenBar({ value, parts }, off)}`);
  for (const element of [meter, sum]) {
    if (off) element.dataset.off = String(off);
    else delete element.dataset.off;
  }
  write(child(sum, 'b', 'n'), String(value));
  write(child(sum, 'small', 'off'), signed(off));

  const keys = parts.map(({ name }) => name || 'number');
  list(meter, keys, 'span', (item, at) => {
    const { name, views, closed } = parts[at];
    item.className = 'part';
    item.dataset.part = name === 'base' ? 'base' : name.slice(0, 1);
    item.dataset.views = String(views);
    item.toggleAttribute('data-closed', closed);
    item.toggleAttribute('data-later', /@\d*[02468]$/.test(name));
    item.style.setProperty('--views', String(views));
    write(child(item, 'b', 'n'), String(views));
    write(child(item, 'i', 'of'), name);
  });
}

/**
 * @param {Bar} bar
 * @param {number} off
 */
function spokenBar({ value, parts }, off) {
  const wrong = off ? `, ${Math.abs(off)} too ${off > 0 ? 'many' : 'few'}` : '';
  const pieces = parts
    .filter(({ name }) => name)
    .map(({ name, views, closed }) => `${name} ${views}${closed ? ' closed' : ''}`);
  return [`${value}${wrong}`, ...pieces].join('; ');
}

/** @param {number} off */
function signed(off) {
  if (!off) return '';
  return `${off > 0 ? '+' : '−'}${Math.abs(off)}`;
}
