// The last minutes as one lane a node: above, the rows that it lacked; below, how many slots it had.
//
// Rows on a scale of powers of ten: a lag of ten and one of a million are both worth seeing. All
// lanes have the same scales, so they can be compared. The slider looks back: every lane then tells
// its numbers of that moment. It is a plain range input, for keys, fingers and screen readers alike.

import { WINDOW_S } from './cluster-history.js';
import { child, list, write } from './elements.js';
import { counted, duration, number } from './words.js';

const LAG_HEIGHT = 58;
const SLOTS_TOP = 66;
const HEIGHT = 92;
const MINUTE_S = 60;
// A calm cluster's scale: a few rows of lag must not fill the plot.
const LEAST_TOP = 100;
// Moments further apart are not joined: the tab was hidden, or the node silent.
const JOINED_MS = 3_500;

/** @typedef {import('./cluster-history.js').Point} Point */
/** @typedef {{at_ms: number, point: Point}} Sample */

/** @param {ReturnType<typeof import('./cluster-history.js').history>} seen */
export function openPlot(seen) {
  const [lanes, slider, lookedAt, defs] = ['lanes', 'look-back', 'looked-at', 'defs'].map(
    (id) => /** @type {any} */ (document.getElementById(id)),
  );
  const svgName = defs.namespaceURI;

  slider.addEventListener('input', draw);
  lanes.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    const plot = /** @type {Element} */ (event.target).closest('.lane svg');
    if (!plot) return;
    const { left, width } = plot.getBoundingClientRect();
    slider.value = String(Math.round(((event.clientX - left - width) / width) * WINDOW_S));
    draw();
  });
  lanes.addEventListener('pointerleave', () => {
    slider.value = '0';
    draw();
  });
  new ResizeObserver(draw).observe(lanes);

  function draw() {
    const now_ms = seen.all().at(-1)?.at_ms;
    if (now_ms === undefined) return;
    const back_s = -Number(slider.value);
    const then = seen.at(now_ms - back_s * 1000);
    const said = back_s ? `${duration(back_s)} ago` : 'now';
    write(lookedAt, said);
    slider.setAttribute('aria-valuetext', said);

    const points = seen.all().flatMap(({ nodes }) => [...nodes.values()]);
    const most = Math.max(LEAST_TOP, ...points.map(({ lag }) => lag ?? 0));
    const lagTop = 10 ** Math.ceil(Math.log10(most));
    const slotsTop = Math.max(3, ...points.map(({ slots }) => slots));

    const names = seen.names();
    list(lanes, names, 'div', (lane, at) => {
      const name = names[at];
      lane.className = 'lane';
      lane.dataset.node = name;
      /** @type {Sample[]} */
      const samples = seen.all().flatMap(({ at_ms, nodes }) => {
        const point = nodes.get(name);
        return point ? [{ at_ms, point }] : [];
      });
      write(child(lane, 'p', 'lane-name'), name);
      const plot = svgOf(lane);
      const values = child(lane, 'p', 'lane-values');
      const point = then?.nodes.get(name);
      write(child(values, 'span', 'lane-lag'), then ? lagSaid(point) : 'not known');
      write(child(values, 'span', 'lane-slots'), point ? counted(point.slots, 'slot') : '');
      const worst = Math.max(0, ...samples.map(({ point }) => point.lag ?? 0));
      plot.setAttribute(
        'aria-label',
        `${name}: at most ${counted(worst, 'row')} behind in the last minutes`,
      );
      paint(plot, samples, { now_ms, back_s, lagTop, slotsTop });
    });
  }

  /** @param {HTMLElement} lane */
  function svgOf(lane) {
    const found = lane.querySelector('svg');
    if (found) return found;
    const made = /** @type {SVGSVGElement} */ (document.createElementNS(svgName, 'svg'));
    made.setAttribute('role', 'img');
    lane.append(made);
    return made;
  }

  /**
   * @param {SVGSVGElement} svg
   * @param {Sample[]} samples
   * @param {{now_ms: number, back_s: number, lagTop: number, slotsTop: number}} scales
   */
  function paint(svg, samples, { now_ms, back_s, lagTop, slotsTop }) {
    const width = svg.clientWidth || 300;
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    const x = (/** @type {number} */ at_ms) =>
      round(width - ((now_ms - at_ms) / 1000 / WINDOW_S) * width);
    const lagY = (/** @type {number} */ lag) =>
      round(LAG_HEIGHT - (Math.log10(1 + lag) / Math.log10(1 + lagTop)) * (LAG_HEIGHT - 4));
    const slotsY = (/** @type {number} */ slots) =>
      round(HEIGHT - (slots / slotsTop) * (HEIGHT - SLOTS_TOP));
    /** @type {Element[]} */
    const shapes = [];
    /** @type {(tag: string, how: Record<string, string | number>, text?: string) => void} */
    const add = (tag, how, text = '') => {
      const shape = document.createElementNS(svgName, tag);
      for (const [key, value] of Object.entries(how)) shape.setAttribute(key, String(value));
      shape.textContent = text;
      shapes.push(shape);
    };

    add('rect', { class: 'track', x: 0, y: 0, width, height: LAG_HEIGHT });
    add('rect', { class: 'track', x: 0, y: SLOTS_TOP, width, height: HEIGHT - SLOTS_TOP });
    for (let rows = 1; rows < lagTop; rows *= 10) {
      add('path', { class: 'rule', d: `M0 ${lagY(rows)}H${width}` });
    }
    for (let back = MINUTE_S; back < WINDOW_S; back += MINUTE_S) {
      add('path', { class: 'rule', d: `M${x(now_ms - back * 1000)} 0V${HEIGHT}` });
    }
    for (const part of joined(
      samples,
      ({ point }) => point.state === 'missing' || point.state === 'heard',
    )) {
      const [from, to] = [part[0], part[part.length - 1]].map(({ at_ms }) => x(at_ms));
      add('rect', {
        class: 'gap',
        x: from,
        y: 0,
        width: Math.max(2, to - from),
        height: LAG_HEIGHT,
      });
    }
    for (const part of joined(samples, ({ point }) => point.lag !== null)) {
      const line = part.map(({ at_ms, point }) => `${x(at_ms)} ${lagY(point.lag ?? 0)}`).join('L');
      add('path', {
        class: 'lag-area',
        d: `M${x(part[0].at_ms)} ${LAG_HEIGHT}L${line}V${LAG_HEIGHT}Z`,
      });
      add('path', { class: 'lag', d: `M${line}` });
    }
    for (const part of joined(samples, () => true)) {
      const steps = part.map(({ at_ms, point }) => `H${x(at_ms)}V${slotsY(point.slots)}`).join('');
      add('path', { class: 'slots-area', d: `M${x(part[0].at_ms)} ${HEIGHT}${steps}V${HEIGHT}Z` });
    }
    add('text', { class: 'scale', x: 4, y: 12 }, number(lagTop));
    add('text', { class: 'scale', x: 4, y: SLOTS_TOP + 11 }, number(slotsTop));
    if (back_s) add('path', { class: 'cursor', d: `M${x(now_ms - back_s * 1000)} 0V${HEIGHT}` });
    svg.replaceChildren(...shapes);
  }

  return { draw };
}

/** @param {Point} [point] */
function lagSaid(point) {
  if (!point || point.state === 'gone') return 'no longer here';
  if (point.state === 'missing') return 'not heard';
  const { lag } = point;
  if (lag === null) return 'not known';
  return lag ? `lacks ${counted(lag, 'row')}` : 'lacks nothing';
}

/**
 * The runs of samples that follow each other closely and for which `holds`.
 *
 * @param {Sample[]} samples
 * @param {(sample: Sample) => boolean} holds
 */
export function joined(samples, holds) {
  /** @type {Sample[][]} */
  const runs = [];
  let last_ms = -Infinity;
  for (const sample of samples) {
    if (!holds(sample)) {
      last_ms = -Infinity;
      continue;
    }
    if (sample.at_ms - last_ms > JOINED_MS) runs.push([]);
    runs.at(-1)?.push(sample);
    last_ms = sample.at_ms;
  }
  return runs;
}

/** @param {number} pixels */
const round = (pixels) => Math.round(pixels * 10) / 10;
