// Turns time back: puts back the oldest state that this tab has seen.
//
// It must be a state that was really stored once, with slots and folds as they were together. A
// forged one (with older generations, say) would have slots that no process ever owned. No node
// would ever fold them or send more of them, and their views would count a second time, beside the
// true ones.

/**
 * @import { Means } from './controls.js'
 * @import { Facts } from './facts.js'
 */

import { write } from '../elements.js';
import { ago, counted, number } from '../english.js';
import { highKey } from '../keep.js';
import { button, make, resultLine, row, section } from './dom.js';
import { failureText, replaceStored } from './replacing.js';

/** The longest wait for merges that are under way when the messages are paused. */
const SETTLE_MS = 2_000;

/** @param {Means} means */
export function openAgeControls(means) {
  const { page, facts, memory, pause, say, changed } = means;
  const { video, keep } = page;
  const meaning = make('p', { className: 'soft' });
  const result = resultLine('panel-age-said');

  async function putBack() {
    const oldest = memory.oldest();
    if (!oldest) {
      const isOff = keep.kind === 'off';
      const why = isOff
        ? 'Storage is off: there is nothing to be put back.'
        : 'No state has been met yet in this tab.';
      say(result, why, 'bad');
      return;
    }
    try {
      // Otherwise the next message would bring the state up to date before the viewer reloads.
      pause(true);
      await settled(facts);
      await replaceStored(means, 'Put back', oldest);
      keep.write(highKey(video), String(oldest.value));
      say(result, putBackText(oldest.value, oldest.at_ms), 'good');
    } catch (error) {
      pause(false);
      say(result, failureText('Not put back', error), 'bad');
    }
    changed();
  }

  const age = button('Pretend I was away for a year', 'panel-age', () => void putBack());
  const reload = button('Reload', 'panel-reload', () => location.reload());
  return {
    element: section('Time', 'age', row(age, reload), meaning, result),
    draw() {
      const oldest = memory.oldest();
      const which = oldest
        ? `: ${counted(oldest.value, 'view')}, ${ago(oldest.at_ms, Date.now())}`
        : '; there is none yet';
      write(meaning, `Puts back the oldest state that this tab has met${which}.`);
    },
  };
}

/**
 * @param {number} value
 * @param {number} at_ms
 */
function putBackText(value, at_ms) {
  const views = number(value);
  return [
    `Put back: ${views}, which this browser had stored ${ago(at_ms, Date.now())}.`,
    'It is also put back as the highest number shown. The messages are paused. Now reload.',
    `The page shows ${views} at once, or more if its node knows more.`,
    'With the first message it shows the cluster’s number, exactly:',
    'nothing is lost, and nothing counts twice, whatever was folded meanwhile.',
    '(Another open tab of this video would bring the state up to date: close it first.)',
  ].join(' ');
}

/** Waits until no message waits for its merge, but not for ever. @param {Facts} facts */
async function settled(facts) {
  const end_ms = performance.now() + SETTLE_MS;
  while (facts.waits() && performance.now() < end_ms) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
