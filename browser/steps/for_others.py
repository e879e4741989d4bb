"""Makes what Pyodide pages of other sites load: the core's wheel, and a lock file of one entry."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from steps import CannotBuild, node

# Pyodide's Python imports these libraries, so this one may be older than they need.
_INSTALL: Final = (
    *("--ignore-requires-python", "--only-binary", ":all:", "--no-deps", "--no-compile"),
    *("--require-hashes", "--disable-pip-version-check", "--quiet"),
)


def make(pyodide: Path, core: Path, libraries: Path, out: Path) -> None:
    """Put the wheel of the project `core`, and its lock file for this Pyodide, into `out`."""
    with TemporaryDirectory() as folder:
        built = _wheel(core, Path(folder))
        # The wheel's content is in its name, as a build tag, which has to begin with a digit. So no
        # cache has another wheel of that name, and no node sends one.
        digest = sha256(built.read_bytes()).hexdigest()[:16]
        name, version, tags = built.name.split("-", 2)
        out.mkdir(exist_ok=True)
        wheel = out / f"{name}-{version}-0{digest}-{tags}"
        wheel.write_bytes(built.read_bytes())
    node.script("lock.mjs", pyodide, libraries, wheel, out / "pyodide-lock.json")


def libraries(requirements: Path, cache: Path) -> Path:
    """A folder with the libraries of this locked file, for Pyodide's Python to import."""
    folder = cache / f"libraries.{sha256(requirements.read_bytes()).hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Rename the folder when it is whole.
        with TemporaryDirectory(dir=cache) as aside:
            whole = Path(aside) / "whole"
            command = [sys.executable, "-m", "pip", "install", *_INSTALL, "--target", str(whole)]
            if subprocess.run([*command, "-r", str(requirements)]).returncode:
                raise CannotBuild(f"pip can't install {requirements}; its output above says why")
            try:
                whole.rename(folder)
            except OSError:
                # Another build was faster.
                if not folder.is_dir():
                    raise
    return folder


def _wheel(core: Path, out: Path) -> Path:
    """Build the wheel: the same sources make the same bytes, whatever the environment says."""
    environ = {name: text for name, text in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    done = subprocess.run(
        [*command, str(out)], cwd=core, env=environ, capture_output=True, text=True
    )
    if done.returncode:
        raise CannotBuild(f"hatchling can't make a wheel of {core}:\n{done.stderr.strip()}")
    [wheel] = out.glob("*.whl")
    return wheel
