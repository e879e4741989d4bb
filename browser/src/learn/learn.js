// The lesson's page: sends orders to the worker, draws what comes back, and says what happened.
//
// A step of a story is always the same: where it doesn't follow from what is on the stage, its story
// is begun anew and played up to it. What is done freely goes on from wherever the stage stands.

import { write } from '../elements.js';
import { openStage } from './stage.js';

// Between what a node does and what the network makes of it: long enough to be seen.
const PACE_MS = 550;
// Something is odd, or the line is very slow: say that it may still come.
const SLOW_MS = 20_000;

/** @typedef {import('./stage.js').Scene} Scene */
/** @typedef {{scenes: Scene[], said: string, naive: {[way: string]: string}, possible: string[]}} Answer */

const lesson = /** @type {HTMLElement} */ (document.querySelector('.learn'));
const [progress, spoken, way, happened, afresh] = [
  'progress',
  'spoken',
  'way',
  'happened',
  'afresh',
].map((id) => /** @type {any} */ (document.getElementById(id)));
const stage = openStage(lesson);
const steps = /** @type {HTMLButtonElement[]} */ ([...lesson.querySelectorAll('.step')]);
const free = /** @type {HTMLButtonElement[]} */ ([...lesson.querySelectorAll('.choices button')]);
const still = matchMedia('(prefers-reduced-motion: reduce)');

/** The step that made the stage what it is; none after something was done freely. @type {number | undefined} */
let standing;
/** What was answered last. @type {Answer | undefined} */
let last;
/** Shows the rest of what is being shown, at once. */
let hurry = () => {};
let asked = 0;
/** @type {Map<number, (told: {answer?: Answer, why?: string}) => void>} */
const answers = new Map();

const worker = start();

steps.forEach((button, at) => button.addEventListener('click', () => playStep(at)));
free.forEach((button) =>
  button.addEventListener('click', () => {
    if (button.getAttribute('aria-disabled') !== 'true') void playFreely(button);
  }),
);
way.addEventListener('change', () => {
  hurry();
  if (!last) return;
  stage.draw(last.scenes[last.scenes.length - 1], way.value);
  if (standing === undefined) tellIn(happened, last);
});

function start() {
  lesson.dataset.lesson = 'waiting';
  tellProgress('busy', 'Python is starting in this page …');
  const slow = setTimeout(
    () => tellProgress('busy', 'Python is still on its way; the text is all here.'),
    SLOW_MS,
  );
  /** @type {(why: string) => void} */
  const fail = (why) => {
    clearTimeout(slow);
    lesson.dataset.lesson = 'failed';
    tellProgress(
      'bad',
      `The counter can’t run in this browser (${why}). The text says what it would show.`,
    );
  };
  let made;
  try {
    made = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch (error) {
    fail(String(error));
    return undefined;
  }
  made.addEventListener('error', (event) => fail(event.message || 'its script didn’t come'));
  made.addEventListener('message', ({ data }) => {
    if (data.failed !== undefined) fail(data.failed);
    else if (data.ready) {
      clearTimeout(slow);
      lesson.dataset.how = data.ready;
      void begin();
    } else {
      answers.get(data.id)?.(data);
      answers.delete(data.id);
    }
  });
  return made;
}

async function begin() {
  const answer = await order([], true);
  if (!answer) return;
  lesson.dataset.lesson = 'ready';
  tellProgress('good', 'Ready: press the first step.');
  for (const control of [...steps, ...free, way]) control.disabled = false;
  steps[0].toggleAttribute('data-next', true);
  show(answer, () => {});
}

/** @param {number} at */
async function playStep(at) {
  const { story, first } = storyOf(at);
  const follows = standing === at - 1 && at > first;
  const orders = steps.slice(follows ? at : first, at + 1).map((step) => step.dataset.do ?? '');
  standing = at;
  const answer = await order(orders, !follows);
  if (!answer || standing !== at) return;
  way.value = story.dataset.way;
  const title = story.querySelector('h2')?.textContent;
  const total = story.querySelectorAll('.step').length;
  tellProgress('good', `${title}: ${at - first + 1} of ${total}`);
  show(answer, () => {
    const place = /** @type {HTMLElement} */ (steps[at].nextElementSibling);
    tellIn(place, answer);
    markSteps(at);
  });
}

/** @param {HTMLButtonElement} button */
async function playFreely(button) {
  standing = undefined;
  const anew = button === afresh;
  const answer = await order(anew ? [] : [button.dataset.do ?? ''], anew);
  if (!answer || standing !== undefined) return;
  tellProgress('good', anew ? 'From the beginning' : 'As you like');
  show(answer, () => tellIn(happened, answer));
}

/**
 * Asks the worker; what it answers.
 *
 * @param {string[]} orders
 * @param {boolean} anew
 * @returns {Promise<Answer | undefined>}
 */
async function order(orders, anew) {
  const id = (asked += 1);
  lesson.dataset.stage = 'moving';
  const told = await new Promise((resolve) => {
    answers.set(id, resolve);
    worker?.postMessage({ id, orders, afresh: anew });
  });
  if (told.answer) return told.answer;
  // It was offered, and wasn't possible any more: two quick clicks.
  if (id === asked) lesson.dataset.stage = 'still';
  return undefined;
}

/**
 * Draws what was seen on the way, one after the other; then `after`.
 *
 * @param {Answer} answer
 * @param {() => void} after
 */
function show(answer, after) {
  hurry();
  last = answer;
  const mine = asked;
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
    if (mine === asked) lesson.dataset.stage = 'still';
  };
  hurry = () => {
    clearTimeout(timer);
    scenes.splice(0, scenes.length - 1);
    next();
  };
  next();
}

/** What can be ordered now. A button that can't be pressed keeps the focus, if it has it. @param {string[]} possible */
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

/** The steps of its story up to this one are done, and the next one of all is next. @param {number} at */
function markSteps(at) {
  const { story } = storyOf(at);
  steps.forEach((step, one) => {
    if (story.contains(step)) step.toggleAttribute('data-done', one <= at);
    step.toggleAttribute('data-next', one === at + 1);
  });
}

/** The story that a step belongs to, and the number of its first step. @param {number} at */
function storyOf(at) {
  const story = /** @type {HTMLElement} */ (steps[at].closest('.chapter'));
  return { story, first: steps.findIndex((step) => story.contains(step)) };
}

/**
 * @param {HTMLElement} place
 * @param {Answer} answer
 */
function tellIn(place, { said, naive }) {
  const [real, other] = ['real', 'naive'].map(
    (name) => /** @type {HTMLElement} */ (place.querySelector(`.${name}`)),
  );
  write(real, said || 'What happens is said here.');
  write(other, naive[way.value]);
  other.toggleAttribute('data-wrong', naive[way.value] !== 'The same.');
  write(spoken, said && `${said} Naive: ${naive[way.value]}`);
}

/**
 * @param {'busy' | 'good' | 'bad'} mood
 * @param {string} text
 */
function tellProgress(mood, text) {
  progress.dataset.mood = mood;
  write(progress, text);
}
