"""The core's own tests pass in Pyodide, the 32-bit Python in which browsers run the core."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from steps import node

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parents[1]
PYODIDE: Final = PROJECT / "browser/node_modules/pyodide"
# pytest and hypothesis as Pyodide needs them, from `make .venv/test`.
LIBRARIES: Final = PROJECT / ".venv/pyodide"

_STARTS_A_PROCESS: Final = "it starts another process, and Pyodide has no processes"
_TAKES_LONG: Final = "it takes ten seconds, and other tests take the same steps fewer times"
_READS_FILES: Final = "it reads the sources or edits a copy of them, which gives the same anywhere"
# Ends a Pyodide that hangs. A run takes a minute of a processor; a slow and busy one may need ten.
_HANGS_S: Final = 1800
# All tests that don't run in Pyodide, and why.
LEFT_OUT: Final = {
    "test_imports.py::test_importing_a_module_alone_imports_no_heavy_ones": _STARTS_A_PROCESS,
    "test_imports.py::test_a_module_of_the_core_imports_nothing_but_the_allowed": _READS_FILES,
    "test_imports.py::test_a_module_imports_only_modules_that_are_listed_before_it": _READS_FILES,
    "test_imports.py::test_a_module_uses_no_private_name_of_another": _READS_FILES,
    "test_imports.py::test_a_module_names_no_command_line": _READS_FILES,
    "test_simulation.py::test_every_mutant_still_fits_the_core": _READS_FILES,
    "test_simulation.py::test_nothing_breaks_in_many_runs_and_every_fault_has_happened": (
        _STARTS_A_PROCESS
    ),
    "test_simulation.py::test_all_frames_may_go_as_text": _STARTS_A_PROCESS,
    "test_simulation.py::"
    "test_a_failure_prints_its_seed_and_a_short_schedule_that_replays_it": _STARTS_A_PROCESS,
    "test_simulation.py::test_the_simulation_fails_with_the_mutant": _STARTS_A_PROCESS,
    "test_identity.py::test_a_world_notices_that": _STARTS_A_PROCESS,
    "test_life_rounds.py::"
    "test_after_300_generations_slots_are_those_of_the_living_and_all_numbers_are_exact": (
        _TAKES_LONG
    ),
    "test_importing.py::test_it_counts_once_on_every_schedule": _TAKES_LONG,
    "test_forgetting.py::test_after_20_000_names_have_come_and_gone_a_digest_is_small_again": (
        _TAKES_LONG
    ),
}


def test_the_tests_of_the_core_pass_in_pyodide() -> None:
    order = {
        # Fewer examples: Python takes several times as long here.
        "env": {"RATCHET_HYPOTHESIS": "short", "PYTHONDONTWRITEBYTECODE": "1"},
        "mounts": {"/project": str(PROJECT), "/libraries": str(LIBRARIES)},
        "path": [
            "/libraries",
            *(f"/project/{folder}" for folder in ("core/src", "core/tests", "browser/tests")),
        ],
        "run": [
            [
                "/project/core/tests",
                "--rootdir=/project",
                "--config-file=/project/pyproject.toml",
                "--quiet",
                "--durations=8",
                "--tb=short",
                # Nothing is written into the project, and there are no signals.
                *("-p", "no:cacheprovider", "-p", "no:faulthandler"),
            ],
            [f"core/tests/{test}" for test in LEFT_OUT],
        ],
    }
    command = [node.program("node"), str(HERE / "core_in_pyodide.mjs"), str(PYODIDE)]
    done = subprocess.run(
        [*command, json.dumps(order)], capture_output=True, text=True, timeout=_HANGS_S
    )
    print(done.stderr[-4000:])
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["not_passed"] == {}
    assert {*report["left_out"]} == {f"core/tests/{test}" for test in LEFT_OUT}
    files = {f"core/tests/{file.name}" for file in (PROJECT / "core/tests").glob("test_*.py")}
    assert {test.split("::")[0] for test in report["passed"] + report["left_out"]} == files


def test_a_skipped_test_is_reported_and_so_is_a_skipped_file(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n"
        "def test_passes(): pass\n"
        "def test_skips(): pytest.skip('why')\n"
        "@pytest.mark.skip\ndef test_is_skipped(): pass\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_is_left_out(n): pass\n"
    )
    (tmp_path / "test_two.py").write_text("import pytest\npytest.importorskip('nothing')\n")
    report = reported(tmp_path, "test_one.py::test_is_left_out")
    assert report["passed"] == ["test_one.py::test_passes"]
    assert report["left_out"] == ["test_one.py::test_is_left_out"]
    assert sorted(report["not_passed"]) == [
        "test_one.py::test_is_skipped", "test_one.py::test_skips", "test_two.py"
    ]  # fmt: skip


def reported(folder: Path, *leave_out: str) -> dict[str, Any]:
    """The report about the tests in `folder`, from this machine's Python."""
    code = f"import pytest_in_pyodide as it; print(it.run(['-q', '.'], {[*leave_out]}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report
