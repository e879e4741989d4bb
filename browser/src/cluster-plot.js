// The last minutes, one lane for each node: above, the rows that it lacked; below, how many slots it had.
//
// The scale of rows is logarithmic: a lag of ten and one of a million are both worth seeing. All
// lanes have the same scales, so they can be compared. The slider goes back in time: every lane
// then shows its numbers of that moment. It is a plain range input, for keys, fingers and screen
// readers.

/** @import { History } from './cluster-history.js' */
/** @import { Node } from './cluster-state.js' */

import { WINDOW_S } from './cluster-history.js';
import { byId, child, list, write } from './elements.js';
import { counted, duration, number } from './english.js';

const LAG_HEIGHT = 58;
const SLOTS_TOP = 66;
const HEIGHT = 92;
const MINUTE_S = 60;
// A calm cluster's scale: a few rows of lag must not fill the plot.
const LEAST_TOP = 100;
// A line does not join reports that are further apart: the tab was hidden, or the node silent.
const JOINED_MS = 3_500;

/**
 * @typedef {{at_ms: number, point: Node}} Sample
 * @typedef {{now_ms: number, back_s: number, lagTop: number, slotsTop: number}} Scales
 */

/** @param {History} history */
export function openPlot(history) {
  const lanes = byId('lanes');
  const lookedAt = byId('looked-at');
  const slider = /** @type {HTMLInputElement} */ (byId('look-back')); // an <input type=range>

  slider.addEventListener('input', draw);
  lanes.addEventListener('pointermove', ({ target, clientX }) => {
    const svg = target instanceof Element ? target.closest('.lane svg') : null;
    if (!svg) return;
    const { left, width } = svg.getBoundingClientRect();
    slider.value = String(Math.round(((clientX - left - width) / width) * WINDOW_S));
    draw();
  });
  lanes.addEventListener('pointerleave', () => {
    slider.value = '0';
    draw();
  });
  new ResizeObserver(draw).observe(lanes);

  function draw() {
    const now_ms = history.all().at(-1)?.at_ms;
    if (now_ms === undefined) return;
    const back_s = -Number(slider.value);
    const then = history.at(now_ms - back_s * 1000);
    const when = back_s ? `${duration(back_s)} ago` : 'now';
    write(lookedAt, when);
    slider.setAttribute('aria-valuetext', when);

    const points = history.all().flatMap(({ nodes }) => [...nodes.values()]);
    const most = Math.max(LEAST_TOP, ...points.map(({ lacks }) => lacks ?? 0));
    const lagTop = 10 ** Math.ceil(Math.log10(most));
    const slotsTop = Math.max(3, ...points.map(({ slots }) => slots));
    const names = history.names();
    list(lanes, names, 'div', (lane, at) => {
      const name = names[at];
      /** @type {Sample[]} */
      const samples = history.all().flatMap(({ at_ms, nodes }) => {
        const point = nodes.get(name);
        return point ? [{ at_ms, point }] : [];
      });
      drawLane(lane, name, samples, { now_ms, back_s, lagTop, slotsTop });
      writeValues(child(lane, 'p', 'lane-values'), then !== undefined, then?.nodes.get(name));
    });
  }

  return { draw };
}

/**
 * @param {HTMLElement} lane
 * @param {string} name
 * @param {Sample[]} samples
 * @param {Scales} scales
 */
function drawLane(lane, name, samples, scales) {
  lane.className = 'lane';
  lane.dataset.node = name;
  write(child(lane, 'p', 'lane-name'), name);
  let svg = lane.querySelector('svg');
  if (!svg) {
    svg = svgElement('svg', { role: 'img' });
    lane.append(svg);
  }
  const worst = Math.max(0, ...samples.map(({ point }) => point.lacks ?? 0));
  const label = `${name}: at most ${counted(worst, 'row')} behind in the last minutes`;
  svg.setAttribute('aria-label', label);
  const width = svg.clientWidth || 300;
  svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(...shapesOf(samples, width, scales));
}

/**
 * @param {HTMLElement} values
 * @param {boolean} isKnown whether anything is known of that moment
 * @param {Node} [point]
 */
function writeValues(values, isKnown, point) {
  const absent = isKnown ? 'no longer here' : 'not known';
  write(child(values, 'span', 'lane-lag'), point?.how.text ?? absent);
  write(child(values, 'span', 'lane-slots'), point ? counted(point.slots, 'slot') : '');
}

/**
 * @param {Sample[]} samples
 * @param {number} width
 * @param {Scales} scales
 */
function* shapesOf(samples, width, { now_ms, back_s, lagTop, slotsTop }) {
  const x = (/** @type {number} */ at_ms) =>
    round(width - ((now_ms - at_ms) / 1000 / WINDOW_S) * width);
  const lagY = (/** @type {number} */ lag) =>
    round(LAG_HEIGHT - (Math.log10(1 + lag) / Math.log10(1 + lagTop)) * (LAG_HEIGHT - 4));
  const slotsY = (/** @type {number} */ slots) =>
    round(HEIGHT - (slots / slotsTop) * (HEIGHT - SLOTS_TOP));
  const path = (/** @type {string} */ name, /** @type {string} */ d) =>
    svgElement('path', { class: name, d });
  const rect = (/** @type {string} */ name, left = 0, top = 0, wide = width, high = LAG_HEIGHT) =>
    svgElement('rect', { class: name, x: left, y: top, width: wide, height: high });
  const scale = (/** @type {number} */ top, /** @type {number} */ y) =>
    svgElement('text', { class: 'scale', x: 4, y }, number(top));

  yield rect('track');
  yield rect('track', 0, SLOTS_TOP, width, HEIGHT - SLOTS_TOP);
  for (let rows = 1; rows < lagTop; rows *= 10) yield path('rule', `M0 ${lagY(rows)}H${width}`);
  for (let back = MINUTE_S; back < WINDOW_S; back += MINUTE_S) {
    yield path('rule', `M${x(now_ms - back * 1000)} 0V${HEIGHT}`);
  }
  for (const run of runs(samples, ({ point }) => ['missing', 'indirect'].includes(point.state))) {
    const [first, last = first] = [run[0], run.at(-1)];
    const from = x(first.at_ms);
    yield rect('gap', from, 0, Math.max(2, x(last.at_ms) - from));
  }
  for (const run of runs(samples, ({ point }) => point.lacks !== null)) {
    const line = run.map(({ at_ms, point }) => `${x(at_ms)} ${lagY(point.lacks ?? 0)}`).join('L');
    yield path('lag-area', `M${x(run[0].at_ms)} ${LAG_HEIGHT}L${line}V${LAG_HEIGHT}Z`);
    yield path('lag', `M${line}`);
  }
  for (const run of runs(samples, () => true)) {
    const steps = run.map(({ at_ms, point }) => `H${x(at_ms)}V${slotsY(point.slots)}`).join('');
    yield path('slots-area', `M${x(run[0].at_ms)} ${HEIGHT}${steps}V${HEIGHT}Z`);
  }
  yield scale(lagTop, 12);
  yield scale(slotsTop, SLOTS_TOP + 11);
  if (back_s) yield path('cursor', `M${x(now_ms - back_s * 1000)} 0V${HEIGHT}`);
}

/**
 * Splits the samples for which `holds` into runs that follow each other closely. No run is empty.
 *
 * @param {Sample[]} samples
 * @param {(sample: Sample) => boolean} holds
 */
export function runs(samples, holds) {
  /** @type {Sample[][]} */
  const found = [];
  let last_ms = -Infinity;
  for (const sample of samples) {
    if (!holds(sample)) {
      last_ms = -Infinity;
      continue;
    }
    if (sample.at_ms - last_ms > JOINED_MS) found.push([]);
    found.at(-1)?.push(sample);
    last_ms = sample.at_ms;
  }
  return found;
}

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
function svgElement(tag, attributes, text = '') {
  // The namespace of SVG looks like an address on another host, which scripts here must not
  // contain. So take it from the page's own <svg id=defs>. TypeScript cannot know that this makes
  // SVG elements.
  const element = document.createElementNS(byId('defs').namespaceURI, tag);
  const made = /** @type {SVGElementTagNameMap[T]} */ (element);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** @param {number} pixels */
const round = (pixels) => Math.round(pixels * 10) / 10;
