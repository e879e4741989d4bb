"""The simulator's command line: run many seeds, or one; replay and shrink what fails."""

import argparse
import json
import os
import sys
from collections import Counter as Tally
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from time import monotonic
from typing import Final

from simulation import chooser, network, run, sometimes, steps
from simulation.run import Result
from simulation.shrink import shrink
from simulation.world import Setup

HELP: Final = """
A cluster of real replicas and browsers on virtual time, under every fault; see the package's
docstring. Every run has a seed, and the same seed makes the same run. The first run that breaks an
invariant is shrunk and printed, no other follows, and the exit code is 1.
"""
# How many runs a process takes at once: few, so that all processes end at about the same time.
BATCH: Final = 4


@dataclass
class Score:
    """How many runs there were, how many hours, and what happened in them."""

    runs: int = 0
    hours: float = 0.0
    tally: Tally[str] = field(default_factory=Tally)
    begun: float = field(default_factory=monotonic)

    def add(self, result: Result) -> None:
        """Add a run."""
        self.runs += 1
        self.hours += result.hours
        self.tally += result.tally

    def __str__(self) -> str:
        took_s = monotonic() - self.begun
        return (
            f"{self.runs} runs, {self.hours:,.0f} simulated hours in {took_s:.0f} s: "
            f"{60 * self.hours / max(took_s, 1e-9):,.0f} hours a minute"
        )


def main() -> int:
    """Run the simulator with the options of the command line."""
    options = _options().parse_args()
    if options.replay:
        return _one(options, run.replay(_setup(options, options.seed), steps.read(options.replay)))
    if options.runs == 1:
        return _one(options, run.draw(_setup(options, options.seed), options.steps))
    score = Score()
    failed = None
    for result in _results(options):
        score.add(result)
        if result.broken:
            failed = result
            break
        if sys.stderr.isatty() and not options.json:
            faults = sum(score.tally[name] for name in sometimes.SOMETIMES["processes and disks"])
            print(f"\r{score}, {faults:,} faults", end="\x1b[K", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if failed:
        return _report(options, failed, score)
    if options.json:
        print(json.dumps({"runs": score.runs, "hours": score.hours, "tally": score.tally}))
        return 0
    print(sometimes.table(score.tally))
    print(f"\n{score}. Nothing broke.")
    missed = sometimes.never(score.tally)
    if missed:
        print(f"Never happened: {', '.join(missed)}.")
    return 1 if missed and options.strict else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m simulation", description=HELP)
    add = parser.add_argument
    add("--seed", type=int, default=0, help="the first seed; the others follow (0)")
    add("--runs", type=int, help="how many runs; 1 shows its steps (100)")
    add("--minutes", type=float, help="instead of --runs: as many as fit in this time")
    add("--steps", type=int, default=chooser.STEPS, help=f"steps of a run ({chooser.STEPS})")
    add("--nodes", type=int, help="nodes at the beginning (2 to 5, drawn from the seed)")
    add("--jobs", type=int, default=2, help="processes that run seeds side by side (2)")
    add(
        "--codec",
        type=int,
        default=8,
        metavar="N",
        help="send one frame in N as text; 1: all (8)",
    )
    add(
        "--stale",
        type=float,
        default=network.STALE_S,
        metavar="S",
        help=f"a bus drops digests older than this ({network.STALE_S:g})",
    )
    add("--replay", type=Path, metavar="FILE", help="run the steps in FILE with this --seed")
    add("--shrink", type=float, default=60, metavar="S", help="seconds to shrink a failure (60)")
    add("--strict", action="store_true", help="also fail if some fault never happened")
    add("--json", action="store_true", help="print one line of JSON for another program")
    return parser


def _setup(options: argparse.Namespace, seed: int) -> Setup:
    return chooser.setup(seed, options.nodes, options.codec, options.stale)


def _draw(options: argparse.Namespace, seeds: list[int]) -> list[Result]:
    """The work of one process. A run that broke nothing comes back without its steps."""
    results = []
    for seed in seeds:
        result = run.draw(_setup(options, seed), options.steps)
        results.append(result if result.broken else replace(result, steps=[]))
        if result.broken:
            break
    return results


def _batches(options: argparse.Namespace, until: float | None) -> Iterator[list[int]]:
    """The seeds, a few at a time: `--runs` of them, or as many as fit before `until`."""
    end = options.seed + (options.runs or 100)
    for first in count(options.seed, BATCH):
        if monotonic() > until if until else first >= end:
            return
        yield list(range(first, first + BATCH if until else min(first + BATCH, end)))


def _results(options: argparse.Namespace) -> Iterator[Result]:
    """Runs in the order in which they end, on several processes."""
    batches = _batches(options, monotonic() + 60 * options.minutes if options.minutes else None)
    if options.jobs == 1:
        for batch in batches:
            yield from _draw(options, batch)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        try:
            under_way = {pool.submit(_draw, options, b) for b in islice(batches, 2 * options.jobs)}
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                under_way |= {pool.submit(_draw, options, b) for b in islice(batches, len(done))}
                for future in done:
                    yield from future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one(options: argparse.Namespace, result: Result) -> int:
    if result.broken:
        return _report(options, result, None)
    print(steps.text(result.steps))
    print(f"\nseed {options.seed}: {len(result.steps)} steps, {result.hours:.1f} simulated hours.")
    print("Nothing broke.")
    return 0


def _report(options: argparse.Namespace, failed: Result, score: Score | None) -> int:
    """Print a failure, the command that repeats it, and the shortest steps that repeat it."""
    assert failed.broken
    seed, broken = failed.setup.seed, failed.broken
    if options.json:
        runs = score.runs if score else 1
        print(json.dumps({"broken": broken.which, "text": broken.text, "seed": seed, "runs": runs}))
        return 1
    again = f"python -m simulation --seed {seed} --runs 1 --steps {options.steps}"
    if options.nodes:
        again += f" --nodes {options.nodes}"
    if options.codec != 8:
        again += f" --codec {options.codec}"
    print(f"BROKEN: invariant {broken.which}: {broken.text}")
    print(f"seed {seed}, after {len(failed.steps)} steps")
    print(f"again: (cd core/tests && {again})")
    if score:
        print(score)
    if options.shrink > 0:
        shortest = shrink(failed, options.shrink)
        assert shortest.broken
        print(f"\nThe shortest schedule found, of {shortest.setup}:\n{steps.text(shortest.steps)}")
        print(f"# {shortest.broken}")
        print(shortest.trace, end="")
        print(f"\nSave its lines as FILE: python -m simulation --seed {seed} --replay FILE")
    else:
        print(failed.trace, end="")
    return 1


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets of strings is part of what a seed stands for.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]])
    sys.exit(main())
