"""`make` gets over an environment that was left half made: the next run makes it anew."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("Makefile", "requirements/run.txt", "requirements/build.txt", "requirements/npm.txt",
          "core/pyproject.toml", "server/pyproject.toml")  # fmt: skip

# As Debian's Python without the package python3-venv, until `whole` is there.
PYTHON = """#!/bin/sh
case "$*" in
*"-m venv"*)
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    test -e whole || { echo "ensurepip is not available"; exit 1; }
    cp "$0" .venv/bin/pip
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the rule for the environment needs."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make(project: Path) -> "subprocess.CompletedProcess[str]":
    command = ["make", ".venv/run", "PYTHON=./python"]
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=60, check=False
    )


class TestMake:
    def test_that_cannot_make_the_environment_leaves_nothing_and_says_what_to_install(
        self, project: Path
    ) -> None:
        ran = make(project)
        assert ran.returncode != 0
        assert "python3-venv" in ran.stderr
        assert not (project / ".venv").exists()
        (project / "whole").touch()
        assert make(project).returncode == 0

    def test_that_finds_half_an_environment_makes_it_anew(self, project: Path) -> None:
        """Somebody pressed Ctrl-C, or it comes from an earlier version."""
        (project / ".venv/bin").mkdir(parents=True)
        shutil.copy(project / "python", project / ".venv/bin/python")
        (project / "whole").touch()
        ran = make(project)
        assert ran.returncode == 0, ran.stderr
        assert (project / ".venv/run").exists()
