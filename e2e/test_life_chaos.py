"""A little chaos, as long as a test may take; `python -m e2e.chaos` does it for hours."""

from pathlib import Path

from e2e import chaos

SECONDS = 15.0


def test_faults_of_all_kinds_by_chance(tmp_path: Path) -> None:
    # Not always the same ones: `pytest -s` or a failure tells the seed and how it went.
    chaos.run(tmp_path, seed=chaos.new_seed(), seconds=SECONDS, say=print)
