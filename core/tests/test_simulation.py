"""The simulation: a fixed budget of runs breaks nothing, and mutants of the core break something.

It runs as a command of its own, so that a seed makes the same run here and by hand: the order of
sets depends on how Python was started. A failure prints its seed and the command that replays it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from simulation import chooser, run, steps
from simulation.mutants import MUTANTS, Mutant, NoSuchText, broken_core, hunt
from simulation.shrink import shrink

HERE: Final = Path(__file__).parent
# Half a minute of one core: enough for every fault. `make sim` runs as many as there is time for.
RUNS: Final = 120


def _simulate(*arguments: str, core: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": str(core)} if core else {}
    return subprocess.run(
        [sys.executable, "-m", "simulation", *arguments],
        cwd=HERE,
        env={**os.environ, "PYTHONHASHSEED": "0", **path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_breaks_in_many_runs_and_every_fault_has_happened() -> None:
    done = _simulate("--runs", str(RUNS), "--jobs", "1", "--strict")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_frames_may_go_as_text() -> None:
    done = _simulate("--runs", "12", "--jobs", "2", "--codec", "1", "--seed", "5000")
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_seed_is_one_run() -> None:
    first, second = run.draw(chooser.setup(9)), run.draw(chooser.setup(9))
    assert first.steps == second.steps
    assert first.tally == second.tally


def test_the_steps_of_a_run_replay_it() -> None:
    drawn = run.draw(chooser.setup(11))
    again = run.replay(drawn.setup, [steps.parse(line) for line in map(str, drawn.steps)])
    assert again.steps == drawn.steps
    assert again.tally == drawn.tally


def test_any_part_of_a_schedule_is_a_schedule() -> None:
    drawn = run.draw(chooser.setup(13))
    for part in (drawn.steps[::2], drawn.steps[20:40], drawn.steps[::-1], []):
        assert run.replay(drawn.setup, part).broken is None


def test_a_failure_prints_its_seed_and_a_short_schedule_that_replays_it(tmp_path: Path) -> None:
    mutant = next(it for it in MUTANTS if it.name == "base not exchanged")
    with broken_core(mutant) as core:
        found = _simulate("--runs", "200", "--jobs", "1", "--json", "--shrink", "0", core=core)
        seed = str(json.loads(found.stdout)["seed"])
        shown = _simulate("--seed", seed, "--runs", "1", "--shrink", "120", core=core)
        assert shown.returncode == 1
        assert shown.stdout.startswith("BROKEN: invariant 5: ")
        assert f"python -m simulation --seed {seed} --runs 1" in shown.stdout
        lines = shown.stdout.partition("The shortest schedule found")[2].splitlines()[1:]
        schedule = [line for line in lines[: lines.index("")] if not line.startswith("#")]
        assert 0 < len(schedule) < chooser.STEPS / 2
        file = tmp_path / "schedule"
        file.write_text("\n".join(schedule), "utf-8")
        replayed = _simulate("--seed", seed, "--replay", str(file), "--shrink", "0", core=core)
        assert replayed.returncode == 1
        assert replayed.stdout.startswith("BROKEN: invariant 5: ")


def test_a_run_that_holds_cannot_be_shrunk() -> None:
    with pytest.raises(AssertionError):
        shrink(run.draw(chooser.setup(9)), 1.0)


# The most important mutants; `make mutants` hunts all. A hunt begins at the seed that found the
# mutant last. Where the core has changed what its seeds draw, the hunt goes on with the next ones.
@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("browsers merge by sum", 0),
        ("nodes merge by sum", 0),
        ("lift without removing the slot, in browsers", 1),
        ("lift without removing the slot, in nodes", 0),
        ("fold without the barrier", 1),
        ("slot reused after a restart", 1),
        ("rows visible before they are durable", 0),
        ("digest advanced past a gap", 1),
        ("base not exchanged", 2),
        ("browser stores counters without `folded`", 128),
        ("digests claim what is not on disk", 0),
        ("counts moved to a new slot", 1),
        ("a floor without exceptions", 4),
        ("a floor folds nothing", 4),
    ],
)
def test_the_simulation_fails_with_the_mutant(name: str, seed: int) -> None:
    verdict = hunt(next(it for it in MUTANTS if it.name == name), runs=150, seed=seed)
    # A mutant that only crashes breaks no invariant: it doesn't fit the core any more.
    assert verdict.which not in (None, "start", "crash"), verdict


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_fits_the_core(mutant: Mutant) -> None:
    with broken_core(mutant):
        pass


def test_a_mutant_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(NoSuchText), broken_core(MUTANTS[0]._replace(old="no such text")):
        pass
