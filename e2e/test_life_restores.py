"""Nodes start from an old backup, from an empty disk, and twice. Shared views are kept."""

from pathlib import Path

from ratchet_server.node import SUPERSEDED

from e2e.cluster import Cluster
from e2e.life import SOME, down, under_load
from testing.nodes import Node


def test_a_node_is_started_from_an_old_backup(four: Cluster, tmp_path: Path) -> None:
    with under_load(four) as load:
        four.b.back_up(tmp_path / "old")
        load.more(SOME)
        with down(four.b, load):
            four.b.lose_disk(tmp_path / "old")


def test_a_node_is_started_from_a_backup_of_an_earlier_process(
    four: Cluster, tmp_path: Path
) -> None:
    with under_load(four) as load:
        four.b.back_up(tmp_path / "old")
        four.b.restart()
        load.more(SOME)
        with down(four.b, load):
            four.b.lose_disk(tmp_path / "old")
        load.more(SOME)
        # Restore once more: that backup is older than two slots now.
        with down(four.b, load):
            four.b.lose_disk(tmp_path / "old")


def test_a_node_is_started_from_nothing(four: Cluster) -> None:
    with under_load(four) as load, down(four.b, load):
        four.b.lose_disk()


def test_what_was_answered_with_ack_peers_outlives_the_disk(four: Cluster) -> None:
    with under_load(four, "?ack=peers") as load:
        # The test neither waits before the disk is lost, nor forgives a lost view.
        load.drop(four.b)
        four.b.kill9()
        four.b.lose_disk()
        four.b.start()
        load.add(four.b)


def test_half_of_the_nodes_are_started_from_nothing(four: Cluster) -> None:
    with under_load(four) as load, down(four.b, load):
        four.b.lose_disk()
        with down(four.c, load):
            four.c.lose_disk()


def test_a_copy_is_started_beside_the_living_original(four: Cluster, tmp_path: Path) -> None:
    with under_load(four) as load:
        four.b.back_up(tmp_path / "copy")
        load.more(SOME)
        # The copy has the name of b, its own address and disk, and an older state.
        with Node("b", tmp_path, data=str(tmp_path / "copy"), environ=four.b.environ) as copy:
            copy.peers = [four.a.url, four.c.url]
            copy.start()
            load.add(copy)
            # The newest process of a name goes on. The other one logs this, hands over, and stops.
            assert four.b.wait() == SUPERSEDED, four.b.log
            load.more(SOME, [copy])
            load.drop(copy)
            # Its disk will not come back.
            assert copy.stop() == 0
