"""A little chaos, for as long as a test may take. `python -m e2e.chaos` goes on for hours."""

from pathlib import Path

from e2e import chaos

SECONDS = 15.0


def test_faults_of_all_kinds_by_chance(tmp_path: Path) -> None:
    # Each run has another seed. `pytest -s`, or a failure, prints the seed and the faults.
    chaos.run(tmp_path, seed=chaos.new_seed(), seconds=SECONDS, say=print)
