"""Gets the pinned Pyodide from npm, and makes the small one that a page loads."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Final

from steps import CannotBuild, node

# The files that a page loads unchanged. The standard library is trimmed. Pages need none of the
# types, source maps, console and lock file of 300 packages.
AS_IT_IS: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm")
LIBRARY: Final = "python_stdlib.zip"
LOCK: Final = "pyodide-lock.json"
SNAPSHOT: Final = "started.snapshot"


def fetch(browser: Path) -> Path:
    """The directory of the installed npm package, of exactly the locked version."""
    locked = wanted(browser)

    def missing() -> list[str]:
        return [path for path, version in locked.items() if _version(browser / path) != version]

    if missing():
        quietly = ("--no-audit", "--no-fund", "--loglevel=error")
        node.npm(browser, "ci", "--omit=dev", "--ignore-scripts", *quietly)
    if left := missing():
        raise CannotBuild(f"npm left no {left[0]} in {browser}; remove node_modules and try again")
    return browser / "node_modules" / "pyodide"


def wanted(browser: Path) -> dict[str, str]:
    """The npm packages that a page is built from: the path of each, and its locked version."""
    locked = json.loads((browser / "package-lock.json").read_text())["packages"]
    # Leave out the tools for development, which come with `make lint`.
    return {
        path: about["version"]
        for path, about in locked.items()
        if path and not any(about.get(kind) for kind in ("dev", "optional", "peer"))
    }


def _version(package: Path) -> str:
    try:
        version: str = json.loads((package / "package.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        return ""
    return version


def make(package: Path, core: Path, stand_ins: Path, out: Path) -> None:
    """Puts the Python that a page loads, with the core, into the folder `out`."""
    for name in AS_IT_IS:
        shutil.copyfile(package / name, out / name)
    # Pyodide reads from its lock file which packages there are: none.
    lock = json.loads((package / LOCK).read_text())
    (out / LOCK).write_text(json.dumps({"info": lock["info"], "packages": {}}))
    modules = _sources(package, core, stand_ins, out / "sources.zip")
    node.script("trim.mjs", package, out / "sources.zip", out / LIBRARY, *modules)
    (out / "sources.zip").unlink()
    node.script("snapshot.mjs", out, out / SNAPSHOT, *modules)


def _sources(package: Path, core: Path, stand_ins: Path, out: Path) -> list[str]:
    """Packs Pyodide's library, with our stand-ins, and the core; returns the core's modules."""
    with zipfile.ZipFile(package / LIBRARY) as library:
        sources = {name: library.read(name) for name in library.namelist()}
    ours = {
        path.relative_to(folder).as_posix(): path
        for folder in (stand_ins, core / "src")
        for path in sorted(folder.rglob("*.py"))
    }
    with zipfile.ZipFile(out, "w") as packed:
        for name, source in sources.items():
            # A stand-in module replaces the whole package of its name.
            if name not in ours and f"{name.split('/')[0]}.py" not in ours:
                packed.writestr(name, source)
        for name, path in ours.items():
            packed.writestr(name, path.read_bytes())
    return [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in ours
        if name.startswith("ratchet/")
    ]
