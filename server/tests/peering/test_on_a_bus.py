"""Whole nodes that reach each other by a bus alone: the real brokers, one after the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from ratchet.changes import Changes
from ratchet.slot import Slot
from ratchet_server.settings.buses import buses

from testing.brokers import BROKERS, MULTICAST, cluster_on, in_cluster, wire_url
from testing.disk import fill, many
from testing.nodes import Node, connected, equal, wait_until
from testing.servers.shared import Shared

GRACE_S: Final = 2
ENVIRON: Final = {"RATCHET_FOLD_GRACE": str(GRACE_S)}
MANY: Final = 10_000
# So many names have gone that no digest is small: nodes that know them send pulses.
_GONE: Final = {f"gone-{number}": 1 for number in range(60)}
LARGE_PAST: Final = Changes(newest=_GONE, closed=_GONE, folded=_GONE)

# What these tests ask of a bus itself is asked of each in test_transport_contract.py: to say who
# has come and gone. On the others, `make wires` runs the tests of whole lives.
QUICK: Final = (MULTICAST, "nats")
on_each_bus = pytest.mark.parametrize("on", [MULTICAST, *BROKERS])
lives_on_each_bus = pytest.mark.parametrize(
    "on",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.wires)
        for name in (MULTICAST, *BROKERS)
    ],
)


@pytest.fixture
def url(on: str, servers: Shared) -> str:
    """The URL of the bus."""
    return wire_url(on, servers)


@pytest.fixture
def nodes(url: str, tmp_path: Path) -> Iterator[dict[str, Node]]:
    """a, b and c on the bus."""
    with cluster_on(url, tmp_path, environ=ENVIRON) as nodes:
        yield nodes


def slots(node: Node) -> set[str]:
    """The names of the slots that are not folded."""
    return {slot["slot"] for slot in node.get("/api/cluster").json()["slots"]}


@on_each_bus
def test_views_reach_all_and_peers_confirm_them(nodes: dict[str, Node]) -> None:
    for node in nodes.values():
        for _ in range(10):
            node.view("tide")
    wait_until(lambda: equal(nodes.values()), "all have the same")
    assert {node.views("tide") for node in nodes.values()} == {30}
    for node in nodes.values():
        response = node.post("/api/videos/tide/views?ack=peers")
        assert response.status_code == 200, response.text
    members = nodes["a"].get("/api/cluster").json()["members"]
    ways = {one["node"]: [way["way"] for way in one["ways"]] for one in members}
    assert ways["a"] == []
    assert ways["b"] == ways["c"] == [str(one) for one in buses([nodes["a"].flags[-1]])]


@on_each_bus
@pytest.mark.parametrize("past", [Changes(), LARGE_PAST], ids=["digests", "pulses"])
def test_a_node_that_comes_late_gets_all(url: str, tmp_path: Path, past: Changes) -> None:
    fill(tmp_path / "a", past, Changes((many(Slot("a", 1), MANY),), newest={**past.newest, "a": 1}))
    flags = ["--open", "--bus", in_cluster(url, tmp_path.name)]
    with Node("a", tmp_path, flags=flags) as a, Node("b", tmp_path, flags=flags) as late:
        a.start()
        late.start()
        wait_until(lambda: connected([a, late]), "both are connected")
        wait_until(lambda: equal([a, late]), "both have the same")
        assert late.views(f"video-{MANY}") == MANY
        # It dials the node that has much for it. So the broker carries a few parts alone.
        members = late.get("/api/cluster").json()["members"]
        (of_a,) = [one["ways"] for one in members if one["node"] == "a"]
        assert [way["way"] for way in of_a] == ["websocket", *map(str, buses([a.flags[-1]]))]


@lives_on_each_bus
def test_the_slots_of_a_node_that_crashes_or_leaves_are_folded(nodes: dict[str, Node]) -> None:
    a, b, c = nodes.values()
    for node in (a, b, c):
        node.view("tide")
    before = c.slot
    assert before
    c.kill9()
    c.start()
    after = c.slot
    wait_until(lambda: slots(a) == slots(b) == slots(c) == {a.slot, b.slot, after}, "c is folded")
    c.view("tide")
    wait_until(lambda: equal([a, b, c]), "all have the same")
    assert c.stop(3) == 0  # SIGQUIT: it leaves for good.
    wait_until(lambda: slots(a) == slots(b) == {a.slot, b.slot}, "c is folded, and gone")
    assert a.views("tide") == b.views("tide") == 4
    members = a.get("/api/cluster").json()["members"]
    assert [one["node"] for one in members] == ["a", "b"]


@lives_on_each_bus
def test_a_slot_is_folded_by_pulses(url: str, tmp_path: Path) -> None:
    fill(tmp_path / "a", LARGE_PAST)
    with cluster_on(url, tmp_path, environ=ENVIRON) as nodes:
        a, b, c = nodes.values()
        c.view("tide")
        wait_until(lambda: equal([a, b, c]), "all have the same")
        c.kill9()
        c.start()
        left = {a.slot, b.slot, c.slot}
        wait_until(lambda: slots(a) == slots(b) == slots(c) == left, "c is folded")
        assert a.views("tide") == b.views("tide") == c.views("tide") == 1


@lives_on_each_bus
def test_a_node_that_does_not_come_back_is_retired(nodes: dict[str, Node]) -> None:
    a, b, c = nodes.values()
    c.view("tide")
    wait_until(lambda: equal([a, b, c]), "all have the same")
    c.kill9()
    wait_until(lambda: _states(a).get("c") == "missing", "a misses c")
    response = a.post_json("/api/cluster/retire", node="c")
    assert response.status_code == 200, response.text
    wait_until(lambda: slots(a) == slots(b) == {a.slot, b.slot}, "c is folded")
    assert a.views("tide") == b.views("tide") == 1


@lives_on_each_bus
def test_a_second_process_of_a_name_supersedes_the_first(
    nodes: dict[str, Node], tmp_path: Path
) -> None:
    a, b, c = nodes.values()
    c.view("tide")
    wait_until(lambda: equal([a, b, c]), "all have the same")
    folder = tmp_path / "other"
    folder.mkdir()
    with Node("c", folder, flags=c.flags, environ=ENVIRON) as newer:
        newer.start()
        assert c.wait() == 3
        newer.view("tide")
        wait_until(lambda: equal([a, b, newer]), "all have the same")
        assert a.views("tide") == 2


def _states(node: Node) -> dict[str, str]:
    members = node.get("/api/cluster").json()["members"]
    return {one["node"]: one["state"] for one in members}
