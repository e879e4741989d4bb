"""One run: from a seed to its end, or to the first invariant that breaks."""

import traceback
from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulation import chooser
from simulation.actions import Actions
from simulation.chooser import Chooser
from simulation.steps import Step
from simulation.truth import Broken, Unlucky
from simulation.world import Setup, World


@dataclass
class Result:
    """How a run went."""

    setup: Setup
    steps: list[Step] = field(default_factory=list)
    # None when all held; otherwise which invariant broke, and how. `trace`: where the core raised.
    broken: Broken | None = None
    trace: str = ""
    hours: float = 0.0
    tally: Tally[str] = field(default_factory=Tally)


def draw(setup: Setup, length: int = chooser.STEPS) -> Result:
    """A run of `length` steps, drawn from its seed."""
    world = World(setup)
    choose = Chooser(world)
    return _run(world, (choose() for _ in range(length)))


def replay(setup: Setup, steps: Iterable[Step]) -> Result:
    """The run of the same setup with just these steps."""
    return _run(World(setup), steps)


def _run(world: World, steps: Iterable[Step]) -> Result:
    result, actions = Result(world.setup), Actions(world)
    try:
        for step in steps:
            result.steps.append(step)
            actions.do(step)
        world.finish()
    except Broken as broken:
        result.broken = broken
    except Unlucky:
        world.tally["one generation drawn twice: run given up"] += 1
    except Exception as error:
        # Any other exception of the core is a failure, too.
        result.broken = Broken("crash", f"{type(error).__name__}: {error}")
        result.trace = traceback.format_exc()
    result.hours = world.agenda.now / 3600
    result.tally = world.tally
    return result
