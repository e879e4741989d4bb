"""The how-to on upgrades: followed on three nodes of the last release under load, no view fails."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from e2e.cluster import Cluster, running_cluster
from e2e.how_to import RESTART, shell
from e2e.life import SOON, new_videos
from testing.checker import History
from testing.documents import blocks
from testing.load import PATIENT_S, Front, Load
from testing.releases import last_release

ROOT: Final = Path(__file__).parents[1]
HOW_TO: Final = ROOT / "docs/upgrade.md"
UNIT: Final = ROOT / "deploy/ratchet.service"


@pytest.fixture
def release(tmp_path: Path) -> dict[str, str]:
    """The environment in which a node runs the program of the last release."""
    return last_release(tmp_path / "release")


@pytest.fixture
def three(tmp_path: Path, release: dict[str, str]) -> Iterator[Cluster]:
    with running_cluster(tmp_path, flags=("--open",), environ=SOON | release) as three:
        yield three


def test_no_view_fails(three: Cluster, release: dict[str, str], tmp_path: Path) -> None:
    [commands] = blocks(HOW_TO, "sh")
    before, after = commands.split(RESTART)
    # The unit says how the program is installed at first.
    [install] = re.findall(r"^# +(ln -s .*)$", UNIT.read_text(), re.MULTILINE)
    history = History()
    front = [Front(three.url)]
    with Load(history, front, videos=new_videos(), clients=4, attempt_s=PATIENT_S) as load:
        load.more(20)
        for node in three.nodes.values():
            machine = tmp_path / f"machine-{node.name}"
            machine.mkdir()
            places = {"/opt": str(machine)}
            (machine / "ratchet-0.1.0").mkdir()
            shell(install, node, places)
            shell(before, node, places)
            assert node.stop() == 0, node.log
            for name in release:
                del node.environ[name]
            node.start()
            shell(after, node, places)
            assert (machine / "ratchet").readlink() == machine / "ratchet-0.2.0"
        load.more(20)
    assert not load.failures
    assert not load.failed_reads
    history.check(three.nodes.values())
