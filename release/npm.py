"""The npm package: the scripts for pages of other sites, with their types."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from release.check import NotPublishable

FOLDER: Final = "browser/npm"
# What the build of the page has made of the scripts.
_BUILT: Final = {"view-count.js": "assets/embed/view-count.js", "count.js": "assets/count.js"}


def pack(project: Path, page: Path, out: Path) -> Path:
    """Pack it with the scripts of this `page`, and return its path in `out`. The same sources give
    the same bytes: npm gives all files one time. Raises `NotPublishable`."""
    # Look in this Python's folder first, as the build of the page does.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    npm = shutil.which("npm", path=path)
    if not npm:
        raise NotPublishable("npm is not on PATH: install Node.js 20 or newer")
    with TemporaryDirectory() as made:
        folder = Path(made, "package")
        shutil.copytree(project / FOLDER, folder)
        shutil.copy(project / "LICENSE", folder)
        for name, built in _BUILT.items():
            shutil.copy(page / built, folder / name)
        # It runs nobody's scripts, and asks no server.
        command = [npm, "pack", "--ignore-scripts", "--offline", "--silent"]
        done = subprocess.run(
            [*command, "--pack-destination", str(out.resolve())],
            cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        raise NotPublishable(f"`npm pack` failed:\n{done.stderr or done.stdout}")
    return out / done.stdout.strip()
