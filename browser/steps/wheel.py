"""Builds the core wheel, and the lock file by which Pyodide finds and checks it."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from steps import CannotBuild

# Any fixed moment will do: the same sources then make the same wheel, and the same build id, on
# every machine. It is the earliest that a zip file can hold.
EPOCH: Final = "315532800"


def build(core: Path, out: Path) -> Path:
    """The wheel of `core`, in `out`; the same sources give the same bytes."""
    # An installed back end needs no registry; otherwise pip fetches it.
    offline = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *offline]
    _run([*command, "--disable-pip-version-check", "--wheel-dir", str(out), str(core)], out)
    return _only_wheel(out)


def can_compile(python: str) -> bool:
    """Whether pyodide-build, run by this Python, writes the bytecode of Pyodide's `python`.

    `pyodide py-compile` writes the bytecode of the Python that it runs on and drops the sources;
    Pyodide's Python refuses any other version's ("bad magic number"). So being able to install
    pyodide-build (3.12 or newer) is not enough.
    """
    here = ".".join(map(str, sys.version_info[:2]))
    return python.startswith(f"{here}.") and bool(importlib.util.find_spec("pyodide_build"))


def compiled(wheel: Path) -> Path:
    """The same wheel with bytecode in place of its sources: nothing is compiled at page load."""
    _run([sys.executable, "-m", "pyodide_cli", "py-compile", "--silent", str(wheel)], wheel.parent)
    made = _only_wheel(wheel.parent)
    _forget_dates(made)
    return made


def lock(wheel: Path, info: object) -> dict[str, object]:
    """A Pyodide lock file of this one package; `info` (versions, ABI) is the runtime's own."""
    name, version = wheel.name.split("-")[:2]
    package = {
        "name": name.replace("_", "-"),
        "version": version,
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": ["ratchet"],
        "depends": [],
        "unvendored_tests": False,
    }
    return {"info": info, "packages": {package["name"]: package}}


def info(runtime: Path) -> dict[str, str]:
    """What the runtime's own lock file says of itself: `python`, `abi_version` and so on."""
    found: dict[str, str] = json.loads((runtime / "pyodide-lock.json").read_text())["info"]
    return found


def _run(command: list[str], where: Path) -> None:
    # Away from browser/, whose build.py would shadow the package `build`.
    done = subprocess.run(command, cwd=where, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    if done.returncode:
        raise CannotBuild(f"`{' '.join(command)}` failed; it says why above")


def _forget_dates(archive: Path) -> None:
    """Packs it again without the moment it was packed at: same files, same bytes."""
    with zipfile.ZipFile(archive) as packed:
        files = [(name, packed.read(name)) for name in packed.namelist()]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files:
            packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _only_wheel(folder: Path) -> Path:
    [wheel] = folder.glob("*.whl")
    return wheel
