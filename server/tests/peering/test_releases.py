"""A rolling upgrade: nodes of the last release and of today's version count side by side."""

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from testing.nodes import cluster, connected, equal, wait_until

ROOT: Final = Path(__file__).parents[3]
# What stands for the last release while the repository has no tag `v…`.
BEFORE_THE_FIRST_RELEASE: Final = "c879afb0021ad661838a2ebd0c6f54c91bc91dee"


def git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which a node runs the program of the last release."""
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v*").stdout.decode().strip()
    commit = tag or BEFORE_THE_FIRST_RELEASE
    archive = git("archive", commit, "core/src", "server/src")
    if archive.returncode:
        pytest.skip(
            f"the history of this copy lacks {commit}, the last release: run the test in a clone "
            "of the repository, after `git fetch --tags --unshallow`"
        )
    folder = tmp_path_factory.mktemp("release")
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


def test_a_cluster_is_upgraded_node_by_node_and_every_number_stays_exact(
    release: dict[str, str], tmp_path: Path
) -> None:
    with cluster(tmp_path, ("a", "b", "c"), environ=release) as nodes:
        views = 0

        def count() -> None:
            """Count on each node, and wait until all have it."""
            nonlocal views
            for node in nodes.values():
                node.view("tide")
            views += len(nodes)
            wait_until(lambda: connected(nodes.values()), "all are connected")
            wait_until(lambda: equal(nodes.values()), "all have the same")
            assert {node.views("tide") for node in nodes.values()} == {views}

        count()
        for node in nodes.values():
            assert node.stop() == 0
            node.environ = {}
            node.start()
            # Old and new nodes side by side, or only new ones after the last.
            count()
        # Neither side has refused the other, whichever of them dialled.
        for node in nodes.values():
            assert " WARNING " not in node.log_file.read_text()
