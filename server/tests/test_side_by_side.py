"""Tests run side by side in several processes: the root's conftest.py says which share one."""

import subprocess
import sys
from pathlib import Path

_TESTS = """
import os
import pytest

@pytest.mark.parametrize("on", ["nats", "kafka"])
def test_on(on):
    print(f"in {on}", os.getpid())

@pytest.mark.parametrize("number", range(9))
def test_number(number):
    print("in numbers", os.getpid())
"""


_HANGS = """
import threading

def test_that_hangs():
    threading.Event().wait()

def test_that_comes_after_it():
    print("in the next one")
"""
# So short for this test.
_SOON = """
[pytest]
faulthandler_timeout = 1
faulthandler_exit_on_timeout = true
"""


def test_a_test_that_hangs_fails_once_and_the_others_run(tmp_path: Path) -> None:
    conftest = Path(__file__).parents[2] / "conftest.py"
    (tmp_path / "conftest.py").write_text(conftest.read_text())
    (tmp_path / "pytest.ini").write_text(_SOON)
    (tmp_path / "test_hangs.py").write_text(_HANGS)
    command = [sys.executable, "-m", "pytest", "-n", "2", "-rP", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "in the next one" in done.stdout
    assert "crashed while running 'test_hangs.py::test_that_hangs'" in done.stdout


def test_what_has_a_server_in_common_runs_in_one_process(tmp_path: Path) -> None:
    conftest = Path(__file__).parents[2] / "conftest.py"
    (tmp_path / "conftest.py").write_text(conftest.read_text())
    for name in ("one", "other"):
        (tmp_path / f"test_{name}.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-n", "4", "-rP", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("in ")]
    assert len(lines) == 2 * (2 + 9)
    processes = {
        what: {one for one in lines if one.startswith(what)} for what in ("in numbers", "in kafka")
    }
    # Each of the two files may run its numbers elsewhere.
    assert len(processes["in numbers"]) <= 2
    assert len(processes["in kafka"]) == 1
