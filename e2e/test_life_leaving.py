"""Nodes drain, leave, are retired and come back, all while people view."""

from functools import partial
from pathlib import Path

from e2e.cluster import Cluster, running_cluster
from e2e.life import SOME, add, down, new_videos, others, under_load, wait_for_folds
from testing.checker import History
from testing.life import retired
from testing.load import Load
from testing.nodes import Node, wait_until


def test_a_node_is_drained_and_comes_back(four: Cluster) -> None:
    with under_load(four) as load:
        answer = four.b.post_json("/api/node/drain")
        assert answer.json() == {"node": "b", "draining": True}
        assert four.b.wait() == 0
        load.more(SOME, others(four, "b"))
        four.b.start()


def test_a_node_leaves_and_is_folded_while_the_others_count_on(four: Cluster) -> None:
    with under_load(four) as load:
        answer = four.c.post_json("/api/node/leave")
        assert answer.json() == {"node": "c", "leaving": True}
        assert four.c.wait() == 0
        load.drop(four.c)
        load.more(SOME)
        wait_for_folds(others(four, "c"))
        load.more(SOME)
        with load.at_rest():
            load.history.check(others(four, "c"))
        # The disk of c does not have the fold.
        four.c.start()
        load.add(four.c)


def test_a_node_leaves_and_comes_back_on_an_empty_disk(four: Cluster) -> None:
    with under_load(four) as load:
        four.c.post_json("/api/node/leave")
        assert four.c.wait() == 0
        load.drop(four.c)
        # Other nodes have everything that it answered: no lost view is forgiven.
        four.c.lose_disk()
        four.c.start()
        load.add(four.c)


def test_a_node_that_leaves_waits_until_another_node_has_its_last_views(four: Cluster) -> None:
    history, (video, *_) = History(), new_videos()
    four.cut_off("c")
    add(history, four.c, video, 3)
    four.c.post_json("/api/node/leave")
    four.heal()
    assert four.c.wait() == 0, four.c.log
    four.c.lose_disk()
    history.check(others(four, "c"))
    assert four.a.views(video) == 3


def test_two_dead_nodes_are_not_folded_by_nodes_that_have_each_seen_one_of_them(
    four: Cluster,
) -> None:
    history, (video, *_) = History(), new_videos()
    d = four.nodes["d"]
    wait_for_folds(four.nodes.values())
    four.split("ac", "bd")
    add(history, four.c, video, 8)
    add(history, d, video, 5)
    wait_until(lambda: four.a.views(video) == 8, "a has what c counted")
    wait_until(lambda: four.b.views(video) == 5, "b has what d counted")
    four.c.kill9()
    d.kill9()
    # Each base would be right by itself, and the larger of the two would be too small.
    for node in (four.a, four.b):
        retired(node, "c")
        retired(node, "d")
    for node in (four.a, four.b):
        wait_until(partial(missing, node), f"{node.name} waits for the other")
    four.heal()
    history.check([four.a, four.b])
    wait_for_folds([four.a, four.b])
    assert four.a.views(video) == four.b.views(video) == 13


def missing(node: Node) -> bool:
    """Whether missing nodes are the only obstacles to each fold."""
    folds = node.get("/api/cluster").json()["folds"]
    return {one["kind"] for fold in folds for one in fold["obstacles"]} == {"missing"}


def test_a_node_dies_is_retired_and_folded_and_comes_back(four: Cluster) -> None:
    with under_load(four) as load, down(four.c, load):
        retired(four.a, "c")
        wait_for_folds(others(four, "c"))
        with load.at_rest():
            load.history.check(others(four, "c"))


def test_slots_are_those_of_the_living_however_often_they_have_started(four: Cluster) -> None:
    four.a.restart()
    four.a.restart()
    wait_for_folds(four.nodes.values())
    living = {node.slot for node in four.nodes.values()}
    for node in four.nodes.values():
        assert {slot["slot"] for slot in node.get("/api/cluster").json()["slots"]} <= living


def test_a_node_retired_by_mistake_is_exact_when_it_comes_back_within_the_grace(
    tmp_path: Path,
) -> None:
    history = History()
    with (
        running_cluster(tmp_path, flags=("--open",), balanced=False) as three,
        Load(history, three.nodes.values()) as load,
    ):
        load.more(3)
        three.cut_off("c")
        load.more(SOME)
        retired(three.a, "c")
        load.more(SOME)
        old = three.c.slot
        three.heal()
        wait_until(lambda: three.c.slot != old, "c counts in a new slot")
        load.more(SOME)
        load.rest()
        history.check(three.nodes.values())


def test_a_node_retired_by_mistake_says_what_was_lost_when_it_comes_back_too_late(
    four: Cluster,
) -> None:
    with under_load(four) as load:
        with load.at_rest():
            load.history.check(four.nodes.values())
            checked = load.history.clock()
        four.cut_off("c")
        load.more(SOME)
        old = four.c.slot
        retired(four.a, "c")
        wait_for_folds(others(four, "c"))
        four.heal()
        wait_until(lambda: four.c.slot != old, "c counts in a new slot")
        # Only the views that it counted before it learned of this may be lost.
        load.history.disk_lost(four.c.url, checked)
        four.c.wait_for_log("nobody else")
