"""A node that leaves for good: its slot is closed, folded on all others, and nothing is lost."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from ratchet.changes import Changes
from ratchet.slot import Slot

from testing.disk import fill, many, on_disk
from testing.life import NO_GRACE, Ways, has_folded, hot, known, sees
from testing.links import Links
from testing.nodes import Node, cluster, connected, equal, wait_until
from testing.wire import answers

Request = Callable[[Node], None]


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Nodes that fold without a grace. Tests may let c leave; it runs again for the next test."""
    with cluster(tmp_path_factory.mktemp("trio"), environ=NO_GRACE) as nodes:
        yield nodes


@pytest.fixture
def nodes(trio: dict[str, Node]) -> dict[str, Node]:
    """All three, running and connected."""
    if not trio["c"].running:
        trio["c"].start()
    wait_until(lambda: connected(trio.values()), "all are connected")
    return trio


def signalled(node: Node) -> None:
    os.kill(node.pid, signal.SIGQUIT)


def called(node: Node) -> None:
    answer = node.post("/api/node/leave")
    assert answer.status_code == 200
    assert answer.json() == {"node": node.name, "leaving": True}


def commanded(node: Node) -> None:
    """Run `ratchet leave`, which returns when the node is gone."""
    command = [sys.executable, "-m", "ratchet_server", "leave", node.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{node.name} leaves for good." in done.stdout
    assert done.stdout.endswith(f"{node.name} is gone.\n")


WAYS: dict[str, Request] = {"SIGQUIT": signalled, "POST": called, "ratchet leave": commanded}


class TestWithTheOthersThere:
    @pytest.mark.parametrize("way", WAYS)
    def test_they_fold_its_slot_and_keep_only_the_slots_of_the_living(
        self, nodes: dict[str, Node], way: str
    ) -> None:
        a, b, c = nodes.values()
        before = a.views("left")
        for node in (a, b, c, c):
            node.view("left")
        slot = c.slot
        WAYS[way](c)
        assert c.wait() == 0
        assert "Traceback" not in c.log
        for node in (a, b):
            # c had handed over its views before it ended.
            assert node.views("left") == before + 4
            wait_until(partial(has_folded, node, slot), "c is folded")
        wait_until(lambda: hot(a) == hot(b) == ["a", "b"], "its rows are gone")
        for node in (a, b):
            assert node.views("left") == before + 4
            assert on_disk(node).base["left"] >= 2
        assert equal([a, b])
        snapshots = [node.get("/api/videos/left/snapshot").json() for node in (a, b)]
        assert snapshots[0] == snapshots[1]

    def test_asked_again_it_responds_the_same(self, nodes: dict[str, Node]) -> None:
        c = nodes["c"]
        assert c.get("/readyz").status_code == 200
        for _ in range(3):
            called(c)
        assert c.get("/readyz").status_code == 503
        assert c.get("/readyz").status_code == 503
        assert c.wait() == 0

    def test_asked_first_to_drain_and_then_to_leave_it_leaves(self, nodes: dict[str, Node]) -> None:
        """Even if it already refuses views, and waits for a peer."""
        c, slot = nodes["c"], nodes["c"].slot
        nodes["a"].pause()
        nodes["b"].pause()
        try:
            c.view("both")
            c.post("/api/node/drain")
            # For another video, because c may still count a view before it refuses.
            wait_until(
                lambda: c.post("/api/videos/other/views").status_code == 503, "c refuses views"
            )
            called(c)
        finally:
            nodes["a"].resume()
            nodes["b"].resume()
        assert c.wait() == 0
        wait_until(lambda: has_folded(nodes["a"], slot), "c has left")
        assert nodes["a"].views("both") == 1

    def test_after_its_return_it_counts_in_a_new_slot(self, nodes: dict[str, Node]) -> None:
        a, _, c = nodes.values()
        for node in nodes.values():
            node.view("back")
        slot = c.slot
        called(c)
        assert c.wait() == 0
        a.view("back")
        wait_until(lambda: has_folded(a, slot), "it is folded")
        c.start()
        assert c.views("back") == 4
        assert c.view("back") == 5
        assert c.slot != slot
        wait_until(lambda: equal(nodes.values()), "all have the same")
        # It folds on its own disk, too, what the others folded without it.
        assert [node.views("back") for node in nodes.values()] == [5, 5, 5]
        wait_until(lambda: hot(c) == ["a", "b", "c"], "no old slot is left")


class TestWithANodeAway:
    def test_that_is_paused_the_fold_waits_for_it(self, nodes: dict[str, Node]) -> None:
        a, b, c = nodes.values()
        before = a.views("waits")
        c.view("waits")
        slot = c.slot
        b.pause()
        try:
            called(c)
            assert c.wait() == 0
            wait_until(lambda: known(a)["closed"].get("c", 0) >= int(str(slot)[2:]), "it is closed")
            wait_until(lambda: not sees(a, "b"), "b is missing to a")
            assert not has_folded(a, slot)
            assert a.views("waits") == before + 1
        finally:
            b.resume()
        wait_until(lambda: has_folded(a, slot) and has_folded(b, slot), "it is folded")
        assert [a.views("waits"), b.views("waits")] == [before + 1] * 2
        wait_until(lambda: equal([a, b]), "both have the same")

    def test_that_it_is_cut_off_from_it_hands_over_to_the_other(self, tmp_path: Path) -> None:
        environ = NO_GRACE | {"RATCHET_DISCOVER": "no"}
        with Links() as links:
            ways = Ways(links)
            with cluster(tmp_path, environ=environ, route=ways.route) as nodes, ways.cut("ac"):
                a, b, c = nodes.values()
                wait_until(lambda: not sees(a, "c") and not sees(c, "a"), "a and c are cut")
                c.view("x")
                slot = c.slot
                called(c)
                assert c.wait() == 0
                wait_until(lambda: has_folded(a, slot) and has_folded(b, slot), "all fold it")
                assert [a.views("x"), b.views("x")] == [1, 1]
                assert equal([a, b])

    def test_that_leaves_too_no_node_waits_long(self, tmp_path: Path) -> None:
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes.values()
            a.view("x")
            b.view("x")
            wait_until(lambda: equal([a, b]), "both have the same")
            started = time.monotonic()
            for node in (a, b):
                called(node)
            assert [a.wait(), b.wait()] == [0, 0]
            assert time.monotonic() - started < 12
            # Both have on disk what both knew.
            assert on_disk(a).counts == on_disk(b).counts == {"x": 2}


class TestAllAlone:
    def test_the_command_fails_and_says_how_much_no_other_node_has(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            command = [sys.executable, "-m", "ratchet_server", "leave", node.url]
            over = threading.Event()
            # Requests of other clients must not keep the operator from the number.
            other = threading.Thread(target=_send_requests, args=(node, over))
            other.start()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            over.set()
            other.join()
            assert node.wait() == 0
        assert done.returncode == 1
        assert done.stdout.endswith("a is gone.\n")
        # The view, and the closing of the slot.
        assert "2 changes of a have reached no other node: keep its data" in done.stderr

    @pytest.mark.parametrize("command", ["leave", "drain"])
    def test_without_storage_it_says_what_is_lost(self, tmp_path: Path, command: str) -> None:
        with Node("a", tmp_path, data=":memory:") as node:
            node.start()
            node.view("x")
            arguments = [sys.executable, "-m", "ratchet_server", command, node.url]
            done = subprocess.run(arguments, capture_output=True, text=True, check=False)
            assert node.wait() == 0
        assert done.returncode == 1
        assert "have reached no other node: they are lost with its memory" in done.stderr

    def test_it_leaves_logs_what_only_it_has_and_counts_exactly_after_its_return(
        self, tmp_path: Path
    ) -> None:
        with Node("a", tmp_path, environ=NO_GRACE) as node:
            node.start()
            for video in ("x", "y", "x"):
                node.view(video)
            slot = str(node.slot)
            called(node)
            assert node.wait() == 0
            assert "changes that no other node has: they are only in this node's data" in node.log
            assert on_disk(node).closed["a"] == int(slot[2:])
            with Node("b", tmp_path, environ=NO_GRACE) as other:
                other.start()
                node.peers = [other.url]
                node.start()
                assert (node.views("x"), node.views("y")) == (2, 1)
                assert node.view("x") == 3
                assert node.slot != slot
                wait_until(lambda: hot(node) == ["a"], "the old slot is folded")
                wait_until(lambda: equal([node, other]), "the other has all of it now")
                assert on_disk(node).counts == on_disk(other).counts == {"x": 3, "y": 1}


class TestWhileItStarts:
    def test_it_reads_its_data_and_hands_it_over_before_it_goes(
        self, large: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(large, tmp_path / "a")
        with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url]) as a:
            b.start()
            a.spawn()
            wait_until(lambda: answers(a), "a answers")
            called(a)
            assert "ready: " not in a.log
            assert a.wait() == 0
            assert "Traceback" not in a.log
            assert b.views("video-100000") == 100_000

    def test_it_closes_the_slot_of_its_last_start(self, tmp_path: Path) -> None:
        slot = Slot("a", 5)
        history = Changes(columns=(many(slot, 10),), newest={"a": 5})
        fill(tmp_path / "a", history)
        with (
            Node("b", tmp_path, environ=NO_GRACE) as b,
            Node("a", tmp_path, peers=[b.url], environ=NO_GRACE) as a,
        ):
            b.start()
            a.spawn()
            wait_until(lambda: answers(a), "a answers")
            assert a.stop(signal.SIGQUIT) == 0
            wait_until(lambda: known(b)["folded"].get("a", 0) >= 5, "it is folded")
            assert b.views("video-7") == 7

    def test_without_any_views_it_is_quick(self, tmp_path: Path) -> None:
        with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url]) as a:
            b.start()
            a.spawn()
            wait_until(lambda: answers(a), "a answers")
            assert a.stop(signal.SIGQUIT) == 0
            assert "only in this node's data" not in a.log


def _send_requests(node: Node, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(httpx.TransportError):
            node.get("/api/node")
