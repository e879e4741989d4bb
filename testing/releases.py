"""The program of the last release, for tests of upgrades."""

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
# What stands for the last release while the repository has no tag `v…`.
BEFORE_THE_FIRST_RELEASE: Final = "c879afb0021ad661838a2ebd0c6f54c91bc91dee"


def last_release(folder: Path) -> dict[str, str]:
    """Unpack it into `folder`. The environment in which a node runs it. Skips the test if the
    history of this copy does not have it."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v*").stdout.decode().strip()
    commit = tag or BEFORE_THE_FIRST_RELEASE
    archive = _git("archive", commit, "core/src", "server/src")
    if archive.returncode:
        pytest.skip(
            f"the history of this copy lacks {commit}, the last release: run the test in a clone "
            "of the repository, after `git fetch --tags --unshallow`"
        )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    # It was installed under another name, and looks for its version there.
    info = folder / "server/src/ratchet_server-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ratchet-server\nVersion: 0.1.0\n")
    path = [str(folder / "core/src"), str(folder / "server/src")]
    environ = {"PYTHONPATH": ":".join(path)}
    where = "import ratchet, ratchet_server; print(ratchet.__path__, ratchet_server.__path__)"
    found = subprocess.check_output([sys.executable, "-c", where], env=environ, text=True)
    assert all(each in found for each in path), found
    return environ


def _git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, timeout=60, check=False
    )
