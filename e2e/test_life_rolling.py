"""All nodes are restarted, one after the other, behind the balancer. No client notices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster, running_cluster
from e2e.life import SOON, new_videos
from testing.checker import History
from testing.load import PATIENT_S, Front, Load


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path, flags=("--open",), environ=SOON) as three:
        yield three


def test_a_rolling_restart_under_load_shows_no_failed_view(three: Cluster) -> None:
    history = History()
    front = [Front(three.url)]
    with Load(history, front, videos=new_videos(), clients=8, attempt_s=PATIENT_S) as load:
        load.more(50)
        for node in three.nodes.values():
            assert node.stop() == 0, node.log
            node.start()
        load.more(50)
    assert not load.failures
    assert not load.failed_reads
    history.check(three.nodes.values())
