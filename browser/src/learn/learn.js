// The lesson's page: sends orders to the worker, draws the answers, and says what happened.
//
// A step of a story always shows the same. If it does not follow from what is on the stage, the
// page starts its story again and plays it up to the step. A free order goes on from what is on the
// stage.

/** @import { Answer } from './protocol.js' */

import { byId, within, write } from '../elements.js';
import { openLessonWorker } from './lesson-worker.js';
import { openStage } from './stage.js';

// The pause between what a node does and what the network then does: long enough to be seen.
const PACE_MS = 550;
// After this long, the page says that Python may still come: the connection may be very slow.
const SLOW_MS = 20_000;

const lesson = within(document, '.learn');
const progress = byId('progress');
const spoken = byId('spoken');
const happened = byId('happened');
const afresh = byId('afresh');
const way = /** @type {HTMLSelectElement} */ (byId('way')); // a <select>
const stage = openStage(lesson);
const steps = buttons('.step');
const free = buttons('.choices button');
const still = matchMedia('(prefers-reduced-motion: reduce)');

/** The step that the stage shows; undefined after a free order. @type {number | undefined} */
let standing;
/** @type {Answer | undefined} */
let last;
/** Ends the drawing of the last answer at once. */
let hurry = () => {};

byId('site').textContent = location.origin;
lesson.dataset.lesson = 'waiting';
showProgress('busy', 'Python is starting in this page …');
const slow = setTimeout(() => {
  showProgress('busy', 'Python is still on its way; the text is all here.');
}, SLOW_MS);
const worker = openLessonWorker({
  ready(how) {
    clearTimeout(slow);
    lesson.dataset.how = how;
    void begin();
  },
  failed(why) {
    clearTimeout(slow);
    lesson.dataset.lesson = 'failed';
    const what = 'The counter can’t run in this browser';
    showProgress('bad', `${what} (${why}). The text says what it would show.`);
  },
});

for (const [at, button] of steps.entries()) {
  button.addEventListener('click', () => void playStep(at));
}
for (const button of free) {
  button.addEventListener('click', () => {
    if (button.getAttribute('aria-disabled') !== 'true') void playFreely(button);
  });
}
way.addEventListener('change', () => {
  hurry();
  const scene = last?.scenes.at(-1);
  if (!last || !scene) return;
  stage.draw(scene, way.value);
  if (standing === undefined) writeOutcome(happened, last);
});

/** @param {string} selector */
function buttons(selector) {
  return [...lesson.querySelectorAll(selector)].filter((one) => one instanceof HTMLButtonElement);
}

async function begin() {
  const { id, answer } = await order([], true);
  if (!answer) return;
  lesson.dataset.lesson = 'ready';
  showProgress('good', 'Ready: press the first step.');
  for (const control of [...steps, ...free, way]) control.disabled = false;
  steps[0].toggleAttribute('data-next', true);
  show(id, answer, () => {});
}

/** @param {number} at */
async function playStep(at) {
  const { story, first } = storyOf(at);
  const follows = standing === at - 1 && at > first;
  const orders = steps.slice(follows ? at : first, at + 1).map((step) => step.dataset.do ?? '');
  standing = at;
  const { id, answer } = await order(orders, !follows);
  if (!answer || standing !== at) return;
  way.value = story.dataset.way ?? '';
  const total = story.querySelectorAll('.step').length;
  showProgress('good', `${within(story, 'h2').textContent}: ${at - first + 1} of ${total}`);
  show(id, answer, () => {
    const outcome = steps[at].nextElementSibling;
    if (outcome) writeOutcome(outcome, answer);
    markSteps(at);
  });
}

/** @param {HTMLButtonElement} button */
async function playFreely(button) {
  standing = undefined;
  const anew = button === afresh;
  const { id, answer } = await order(anew ? [] : [button.dataset.do ?? ''], anew);
  if (!answer || standing !== undefined) return;
  showProgress('good', anew ? 'From the beginning' : 'As you like');
  show(id, answer, () => writeOutcome(happened, answer));
}

/**
 * @param {string[]} orders
 * @param {boolean} anew
 * @returns {Promise<{id: number, answer: Answer | undefined}>}
 */
async function order(orders, anew) {
  lesson.dataset.stage = 'moving';
  const { id, answer: answering } = worker.order(orders, anew);
  const answer = await answering;
  if (!answer) settle(id);
  return { id, answer };
}

/**
 * Marks the stage as still, unless a later order is on its way.
 *
 * @param {number} id
 */
function settle(id) {
  if (worker.isLast(id)) lesson.dataset.stage = 'still';
}

/**
 * Draws the moments of an answer one after the other, then calls `after`.
 *
 * @param {number} id of the order
 * @param {Answer} answer
 * @param {() => void} after
 */
function show(id, answer, after) {
  hurry();
  last = answer;
  const scenes = still.matches ? answer.scenes.slice(-1) : [...answer.scenes];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const next = () => {
    const scene = scenes.shift();
    if (scene) stage.draw(scene, way.value);
    if (scenes.length) {
      timer = setTimeout(next, PACE_MS);
      return;
    }
    hurry = () => {};
    offer(answer.possible);
    after();
    settle(id);
  };
  hurry = () => {
    clearTimeout(timer);
    scenes.splice(0, scenes.length - 1);
    next();
  };
  next();
}

/**
 * Offers what can be ordered now. A button that can't be pressed now may keep the focus.
 *
 * @param {string[]} possible
 */
function offer(possible) {
  for (const button of free) {
    const { verb, name } = button.dataset;
    if (verb === 'cut' || verb === 'kill') {
      const undo = verb === 'cut' ? 'heal' : 'start';
      const now = possible.includes(`${undo} ${name}`) ? undo : verb;
      button.dataset.do = `${now} ${name}`;
      write(button, `${now} ${name}`);
    }
    const can = button === afresh || possible.includes(button.dataset.do ?? '');
    button.setAttribute('aria-disabled', String(!can));
  }
}

/**
 * Marks the steps of this step's story up to it as done, and the one after it as the next.
 *
 * @param {number} at
 */
function markSteps(at) {
  const { story } = storyOf(at);
  for (const [one, step] of steps.entries()) {
    if (story.contains(step)) step.toggleAttribute('data-done', one <= at);
    step.toggleAttribute('data-next', one === at + 1);
  }
}

/**
 * The story that a step belongs to, and the number of that story's first step.
 *
 * @param {number} at
 */
function storyOf(at) {
  /** @type {HTMLElement | null} */
  const story = steps[at].closest('.chapter');
  if (!story) throw new Error('a step stands outside of every story');
  return { story, first: steps.findIndex((step) => story.contains(step)) };
}

/**
 * @param {Element} place
 * @param {Answer} answer
 */
function writeOutcome(place, { said, naive }) {
  const outcome = naive[way.value];
  write(within(place, '.real'), said || 'What happens is written here.');
  const other = within(place, '.naive');
  write(other, outcome);
  other.toggleAttribute('data-wrong', outcome !== 'The same.');
  write(spoken, said && `${said} Naive: ${outcome}`);
}

/**
 * @param {'busy' | 'good' | 'bad'} mood
 * @param {string} text
 */
function showProgress(mood, text) {
  progress.dataset.mood = mood;
  write(progress, text);
}
