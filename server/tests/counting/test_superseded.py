"""Two processes under one name: the newest goes on, the older hands over and stops."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.checker import History
from testing.disk import on_disk
from testing.life import Ways, known, notices, retired, sees
from testing.links import Links
from testing.load import Load
from testing.nodes import Node, cluster, connected, equal, wait_until
from testing.wire import PROCESS, dial, digest, hello


class TestANewerProcessOfItsName:
    def test_starts_from_a_copy_of_its_data_and_the_older_hands_over_and_stops(
        self, tmp_path: Path
    ) -> None:
        """(In test_mesh, the newer process starts from an empty folder.)"""
        with cluster(tmp_path, ("a", "b")) as nodes:
            old, b = nodes["a"], nodes["b"]
            for _ in range(3):
                old.view("x")
            old.back_up(tmp_path / "twin")
            history = History()
            with (
                Load(history, [old, b], videos=["busy"]) as load,
                Node("a", tmp_path, data=str(tmp_path / "twin"), peers=[b.url]) as new,
            ):
                new.log_file = tmp_path / "twin.log"
                load.more(10)
                slot = old.slot
                new.start()
                load.add(new)
                assert old.wait() == 3
                load.drop(old)
                assert "a newer process of this name is alive" in old.log
                assert "the newest process of a name goes on" in old.log
                assert "Traceback" not in old.log
                load.more(10)
                load.rest()
                history.check([new, b])
                assert new.slot != slot
                assert new.views("x") == b.views("x") == 3
                assert notices(new, "superseded") == 0
                # If the older process starts again, it is the newer one.
                old.start()
                assert new.wait() == 3
                wait_until(lambda: equal([old, b]), "both have the same")
                assert old.views("busy") == b.views("busy") >= history.ok["busy"]

    def test_views_that_the_older_refuses_are_not_counted(self, tmp_path: Path) -> None:
        """The older process can't hand over for a while, because its peer hangs."""
        with cluster(tmp_path, ("a", "b")) as nodes:
            old, b = nodes["a"], nodes["b"]
            generation = int(str(old.slot)[2:])
            old.view("x")
            with dial(old, "/peer") as peer:
                peer.send(hello("c"))
                b.pause()
                try:
                    old.view("x")
                    peer.send(newer(generation))
                    wait_until(lambda: refused(old) == "superseded", "views are refused")
                    assert old.get("/readyz").status_code == 503
                    assert old.get("/api/cluster").json()["state"] == "superseded"
                    assert old.views("x") == 2
                    assert old.running
                finally:
                    b.resume()
                assert old.wait() == 3
            assert b.views("x") == on_disk(old).counts["x"] == 2


class TestANewerProcessThatIsDeadAtOnce:
    def test_views_wait_and_then_the_older_goes_on_in_a_new_slot(self, tmp_path: Path) -> None:
        """A peer knows the newer process, but is no longer connected to it."""
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            slot = node.slot
            generation = int(str(slot)[2:])
            with dial(node, "/peer") as peer:
                peer.send(hello("c"))
                peer.send(newer(generation, alive=False))
                wait_until(lambda: known(node)["closed"]["a"] > generation, "the node knows")
                views: list[int] = []
                waiting = threading.Thread(target=lambda: views.append(node.view("x")))
                waiting.start()
                node.wait_for_log("no newer process of this name is alive")
                waiting.join()
            assert views == [2]
            assert node.slot not in {slot, f"a@{generation + 1000}"}
            assert int(str(node.slot)[2:]) > generation + 1000
            assert notices(node, "reopened") == 1
            assert notices(node, "superseded") == 0
            # The views of the old slot are still in that slot.
            assert node.get("/api/videos/x/snapshot").json()["slots"] == {slot: 1, node.slot: 1}

    def test_a_closed_slot_alone_makes_it_open_a_new_one_at_once(self, tmp_path: Path) -> None:
        """An operator closed the slot, so there is no newer process that could be alive."""
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            slot = str(node.slot)
            generation = int(slot[2:])
            with dial(node, "/peer") as peer:
                peer.send(hello("c"))
                peer.send(digest(heard={"a": generation}, closed={"a": generation}))
                assert node.view("x") == 2 or node.view("x") == 3
                wait_until(lambda: node.slot != slot, "it counts in a new slot")
            assert notices(node, "reopened") == 1


@pytest.fixture
def ways() -> Iterator[Ways]:
    """The links between the nodes, which can be cut."""
    with Links() as links:
        yield Ways(links)


def test_a_node_that_is_retired_on_the_other_side_of_a_split_goes_on(
    tmp_path: Path, ways: Ways
) -> None:
    with cluster(tmp_path, environ={"RATCHET_DISCOVER": "no"}, route=ways.route) as nodes:
        a, b, c = nodes.values()
        for node in (a, b, c):
            node.view("x")
        wait_until(lambda: equal(nodes.values()), "all have the same")
        slot = str(c.slot)
        with ways.cut("ac", "bc"):
            wait_until(lambda: not sees(c, "a") and not sees(c, "b"), "c is cut off")
            c.view("x")
            retired(a, "c")
            assert a.view("x") == 4
            assert c.slot == slot
            assert c.view("x") == 5
        c.wait_for_log(f"{slot} has been closed, and no newer process of this name is alive")
        assert c.view("x") >= 6
        wait_until(lambda: connected(nodes.values()), "all are connected")
        wait_until(lambda: equal(nodes.values()), "all have the same")
        assert [node.views("x") for node in (a, b, c)] == [7, 7, 7]
        assert c.slot != slot
        assert notices(c, "reopened") == 1
        # The other nodes know the new slot, and that it is open.
        wait_until(lambda: f"c@{known(a)['known']['c']}" == c.slot, "a knows the new slot")
        assert known(a)["closed"]["c"] < known(a)["known"]["c"]


def newer(generation: int, *, alive: bool = True) -> str:
    """The digest of a peer that knows a newer process of the node a."""
    later = generation + 1000
    living = {PROCESS[::-1]: ["a", later, ""]} if alive else {}
    return digest(heard={"a": later}, closed={"a": later - 1}, alive=living)


def refused(node: Node) -> str | None:
    """The error code of a refused view; None if the view is counted."""
    answer = node.post("/api/videos/refused/views")
    return None if answer.status_code == 200 else str(answer.json()["error"])
