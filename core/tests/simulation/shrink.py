"""The shortest list of steps that still breaks the same invariant: delta debugging.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002): leave out larger
parts first, then smaller ones, as long as the rest still breaks. Every list of steps is a schedule,
so the rest can always be run.
"""

from time import monotonic

from simulation.run import Result, replay
from simulation.steps import Step


def shrink(failed: Result, budget_s: float = 60.0) -> Result:
    """The shortest run that breaks the same invariant, of those tried in about `budget_s`."""
    assert failed.broken
    which, best, until = failed.broken.which, failed, monotonic() + budget_s
    size = max(1, len(best.steps) // 2)
    while True:
        at, smaller = 0, False
        while at < len(best.steps) and monotonic() < until:
            shorter = best.steps[:at] + best.steps[at + size :]
            result = replay(failed.setup, shorter)
            if result.broken and result.broken.which == which:
                best, smaller = result, True
            else:
                at += size
        if monotonic() >= until or (size == 1 and not smaller):
            return _easier(best, until)
        if not smaller or size > len(best.steps):
            size = max(1, size // 2)


def _easier(best: Result, until: float) -> Result:
    """The same run with simpler words: one view, no wrong clock, a shorter wait."""
    assert best.broken
    for index, step in enumerate(best.steps):
        for words in _simpler(step):
            if monotonic() >= until:
                return best
            steps = [*best.steps]
            if index >= len(steps):
                return best
            steps[index] = Step(step.op, words)
            result = replay(best.setup, steps)
            if result.broken and result.broken.which == best.broken.which:
                best = result
                break
    return best


def _simpler(step: Step) -> list[tuple[str | int | float, ...]]:
    match step:
        case Step("view", (place, video, views, *_)):
            return [(place, video, 1), (place, video, views)]
        case Step("burst", (place, int(count), over_s)):
            return [(place, fewer, over_s) for fewer in (1, 2, 3, 5) if fewer < count]
        case Step("start" | "twin", (place, _)):
            return [(place,)]
        case Step("pass", (float() | int() as seconds,)):
            return [(less,) for less in (1, 3) if less < seconds]
        case _:
            return []
