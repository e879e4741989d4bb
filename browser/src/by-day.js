// The plot of a video's views by day. A day's bar never gets smaller, whichever node answers: it shows
// the most that this browser has seen of that day.

/** @import { Keep } from './keep.js' */

const HEIGHT = 24;
const DAY_MS = 86_400_000;
const REFRESH_MS = 60_000;
// Nodes hear of a view within milliseconds, or a few seconds after a short break.
const HEARD_MS = 5000;
/** The key of the views by day that this browser has seen. @param {string} video */
const byDayKey = (video) => `days:${video}`;

/**
 * Draws the plot, and keeps it up to date.
 *
 * @param {SVGElement} plot with a bar for each day, the last one for `data-today`
 * @param {HTMLElement} caption
 * @param {string} video
 * @param {Keep} keep
 * @returns {{viewed: () => Promise<void>}} `viewed`: a view of this video was counted
 */
export function showByDay(plot, caption, video, keep) {
  const bars = [...plot.querySelectorAll('rect')];
  const words = new Intl.DateTimeFormat(undefined, {
    day: 'numeric',
    month: 'short',
    timeZone: 'UTC',
  });
  const number = new Intl.NumberFormat();
  let today = plot.dataset.today ?? '';
  /** The day of each bar, as the nodes write it. */
  const days = () => bars.map((_, at) => dayBefore(today, bars.length - 1 - at));
  /** @type {Map<string, number>} */
  const seen = new Map();

  /** @param {Iterable<[string, number]>} entries */
  const merge = (entries) => {
    for (const [day, views] of entries) {
      if (Number.isSafeInteger(views) && views > (seen.get(day) ?? 0)) seen.set(day, views);
    }
  };

  const draw = () => {
    const views = days().map((day) => seen.get(day) ?? 0);
    const most = Math.max(1, ...views);
    for (const [at, day] of days().entries()) {
      const height = views[at] && Math.max(1, (HEIGHT * views[at]) / most);
      bars[at].setAttribute('y', String(HEIGHT - height));
      bars[at].setAttribute('height', String(height));
      bars[at].dataset.views = String(views[at]);
      const title = bars[at].querySelector('title');
      if (title) title.textContent = `${words.format(new Date(day))}: ${number.format(views[at])}`;
    }
    const now = number.format(views.at(-1) ?? 0);
    const since = words.format(new Date(days()[0]));
    caption.textContent = `Views by day (UTC), since ${since}. Today: ${now}`;
  };

  const store = () => {
    // A later day stays, too: of two nodes, one may be in the next day already.
    const [first] = days();
    const kept = [...seen].filter(([day]) => day >= first);
    keep.write(byDayKey(video), JSON.stringify(Object.fromEntries(kept)));
  };

  merge(bars.map((bar, at) => [days()[at], Number(bar.dataset.views)]));
  merge(readKept(keep.read(byDayKey(video))));
  draw();
  store();

  const refresh = async () => {
    try {
      const response = await fetch(`/api/videos/${video}/days`, { cache: 'no-store' });
      if (!response.ok) return;
      const answer = await response.json();
      if (answer.today > today) today = answer.today;
      merge(answer.days.map((/** @type {any} */ one) => [one.day, one.views]));
      // Another tab may have seen more meanwhile.
      merge(readKept(keep.read(byDayKey(video))));
      draw();
      store();
    } catch {
      // The node may be away. The next minute brings another answer.
    }
  };
  setInterval(() => {
    if (!document.hidden) void refresh();
  }, REFRESH_MS);

  const viewed = async () => {
    const before = seen.get(today) ?? 0;
    await refresh();
    // The node that has answered may not have heard of the view yet.
    if ((seen.get(today) ?? 0) <= before) setTimeout(refresh, HEARD_MS);
  };
  return { viewed };
}

/**
 * @param {string} day
 * @param {number} days
 */
function dayBefore(day, days) {
  return new Date(Date.parse(day) - days * DAY_MS).toISOString().slice(0, 10);
}

/**
 * @param {string | null} text
 * @returns {[string, number][]}
 */
function readKept(text) {
  try {
    const kept = JSON.parse(text ?? '{}');
    return typeof kept === 'object' && kept ? Object.entries(kept) : [];
  } catch {
    return [];
  }
}
