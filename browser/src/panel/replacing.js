// Puts another state in place of the stored one, and says what went wrong if it fails.

/** @import { Stored } from '../storage/port.js' */
/** @import { Means } from './controls.js' */

import { Unsure } from '../counter.js';

/**
 * @param {Means} means
 * @param {string} what the name of this change in the timeline
 * @param {Stored} state
 */
export async function replaceStored({ page, facts }, what, state) {
  facts.replacing = what;
  try {
    await page.views.counter.replace(state);
  } catch (error) {
    facts.replacing = '';
    throw error;
  }
}

/**
 * `Not imported, and nothing was changed: it is no JSON.`
 *
 * @param {string} what was not done
 * @param {unknown} error
 */
export function failureText(what, error) {
  const nothing = error instanceof Unsure ? '' : ', and nothing was changed';
  return `${what}${nothing}: ${error instanceof Error ? error.message : error}.`;
}
