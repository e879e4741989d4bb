"""A retired node whose slot is folded: its views stay, and none counts twice when it returns.

There is no grace here: the slot is folded as soon as all other nodes have the same rows of it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.disk import on_disk
from testing.life import NO_GRACE, Ways, has_folded, notices, retired, sees
from testing.links import Links
from testing.nodes import Node, cluster, connected, equal, wait_until


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    """The links between the nodes, which can be cut."""
    with Links() as links:
        yield Ways(links)


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory, ways: Ways) -> Iterator[dict[str, Node]]:
    """Three nodes. Tests kill c, which runs again for the next test."""
    folder, environ = tmp_path_factory.mktemp("trio"), NO_GRACE | {"RATCHET_DISCOVER": "no"}
    with cluster(folder, environ=environ, route=ways.route) as nodes:
        yield nodes


@pytest.fixture
def nodes(trio: dict[str, Node]) -> dict[str, Node]:
    """All three, running and connected."""
    if not trio["c"].running:
        trio["c"].start()
    wait_until(lambda: connected(trio.values()), "all are connected")
    wait_until(lambda: equal(trio.values()), "all have the same")
    return trio


def test_the_base_of_all_holds_its_views(nodes: dict[str, Node]) -> None:
    a, b, c = nodes.values()
    for node in (a, b, c, c):
        node.view("folded")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    slot = str(c.slot)
    c.kill9()
    retired(a, "c")
    wait_until(lambda: all(has_folded(node, slot) for node in (a, b)), "it is folded")
    wait_until(
        lambda: all(s.node != "c" for node in (a, b) for s in on_disk(node).slots),
        "its rows are gone",
    )
    for node in (a, b):
        assert node.views("folded") == 4
        assert on_disk(node).base["folded"] >= 2
        assert on_disk(node).counts["folded"] == 4
    wait_until(lambda: equal([a, b]), "both have the same")
    assert a.get("/api/videos/folded/snapshot").json()["slots"].keys() == {a.slot, b.slot}


def test_a_node_that_returns_with_a_slot_that_no_other_node_knew_is_exact(
    nodes: dict[str, Node], tmp_path: Path
) -> None:
    a, b, c = nodes.values()
    for node in (a, c):
        node.view("late")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    c.kill9()
    with Node("c", tmp_path, data=c.data) as alone:
        alone.start()
        for _ in range(3):
            alone.view("unseen")
    slot = f"c@{retired(a, 'c')['closed']}"
    wait_until(lambda: has_folded(a, slot) and has_folded(b, slot), "it is folded")
    c.start()
    wait_until(lambda: connected(nodes.values()), "all are connected")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    # The fold left out the slot that no other node knew, so that slot still merges.
    for node in nodes.values():
        assert (node.views("late"), node.views("unseen")) == (2, 3)
    assert notices(c, "unseen") == 0


def test_a_node_that_returns_says_how_many_views_of_its_folded_slot_no_other_node_had(
    nodes: dict[str, Node], ways: Ways
) -> None:
    a, b, c = nodes.values()
    c.view("seen")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    slot = str(c.slot)
    with ways.cut("ac", "bc"):
        wait_until(lambda: not sees(c, "a") and not sees(c, "b"), "c is alone")
        for video in ("hidden", "seen", "hidden"):
            c.view(video)
        assert c.slot == slot
        c.kill9()
        retired(a, "c")
        wait_until(lambda: has_folded(a, slot) and has_folded(b, slot), "it is folded")
        assert (a.views("seen"), a.views("hidden")) == (1, 0)
    c.start()
    c.wait_for_log("3 of its views nobody else had seen")
    assert notices(c, "unseen") == 1
    wait_until(lambda: connected(nodes.values()), "all are connected")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    # The nodes compare their bases. That may bring these views back, but never more than these.
    for node in nodes.values():
        assert 1 <= node.views("seen") <= 2
        assert 0 <= node.views("hidden") <= 2


def test_its_old_disk_brings_nothing_back(nodes: dict[str, Node], tmp_path: Path) -> None:
    a, b, c = nodes.values()
    c.view("old")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    c.back_up(tmp_path / "backup")
    c.view("old")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    slot = str(c.slot)
    c.kill9()
    retired(b, "c")
    wait_until(lambda: has_folded(a, slot) and has_folded(b, slot), "it is folded")
    c.lose_disk(tmp_path / "backup")
    c.start()
    wait_until(lambda: equal(nodes.values()), "all have the same")
    assert [node.views("old") for node in nodes.values()] == [2, 2, 2]
    assert c.view("old") == 3
    wait_until(lambda: a.views("old") == 3, "a has it")
    assert "nobody else had seen" not in c.log


def test_nodes_retire_a_missing_node_themselves_with_that_setting(tmp_path: Path) -> None:
    """Only a side with more than half of all nodes does: here two of three, but not one of two."""
    environ = NO_GRACE | {"RATCHET_RETIRE_AFTER": "1"}
    with cluster(tmp_path, environ=environ) as nodes:
        a, b, c = nodes.values()
        for node in (a, b, c):
            node.view("x")
        wait_until(lambda: equal(nodes.values()), "all have the same")
        slot = c.slot
        c.kill9()
        wait_until(lambda: has_folded(a, slot) and has_folded(b, slot), "c is folded")
        assert "c has been missing for" in a.log + b.log
        slot = b.slot
        b.kill9()
        wait_until(lambda: "been missing for" in str(seen(a)["advice"]), "b is missing to a")
        assert not has_folded(a, slot)
        assert notices(a, "retired") <= 1
        # A retired node may come back.
        b.start()
        c.start()
        wait_until(lambda: connected(nodes.values()), "all are connected")
        wait_until(lambda: equal(nodes.values()), "all have the same")
        assert [node.views("x") for node in (a, b, c)] == [3, 3, 3]


def seen(node: Node) -> dict[str, object]:
    """The cluster as the node sees it."""
    state = node.get("/api/cluster").json()
    assert isinstance(state, dict)
    return state
