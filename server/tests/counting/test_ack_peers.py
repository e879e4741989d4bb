"""`ack=peers`: a view that gets 200 is on two disks."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testing.disk import on_disk
from testing.life import sees
from testing.nodes import PATIENCE_S, Node, cluster, connected, equal, wait_until
from testing.wire import key


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Nodes that wait one second for a peer. Each test may kill some of them."""
    environ = {"RATCHET_PEERS_TIMEOUT": "1"}
    with cluster(tmp_path_factory.mktemp("trio"), environ=environ) as nodes:
        yield nodes


@pytest.fixture
def nodes(trio: dict[str, Node]) -> dict[str, Node]:
    """All three, running and connected."""
    for node in trio.values():
        if not node.running:
            node.start()
    wait_until(lambda: connected(trio.values()), "all are connected")
    return trio


def view(node: Node, video: str, one: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": one} if one else {}
    return node.post(f"/api/videos/{video}/views?ack=peers", headers)


class TestAnswered200:
    @pytest.mark.parametrize("keys", [False, True])
    def test_it_is_on_another_disk_too(self, nodes: dict[str, Node], keys: bool) -> None:
        """Even if all machines die right after the response."""
        a, b, c = nodes.values()
        video = f"both-{keys}"
        for n in range(1, 11):
            answer = view(a, video, key() if keys else None)
            assert answer.status_code == 200
            assert answer.json() == {"video": video, "views": n, "counted": True}
        for node in (a, b, c):
            os.kill(node.pid, signal.SIGKILL)
        for node in (a, b, c):
            node.kill9()
        assert on_disk(a).counts[video] == 10
        assert max(on_disk(node).counts[video] for node in (b, c)) == 10

    def test_it_survives_the_disk_of_the_node_that_answered(self, nodes: dict[str, Node]) -> None:
        a, b, c = nodes.values()
        for _ in range(5):
            assert view(a, "burnt").status_code == 200
        a.kill9()
        a.lose_disk()
        a.start()
        wait_until(lambda: equal([a, b, c]), "all have the same")
        assert [node.views("burnt") for node in (a, b, c)] == [5, 5, 5]

    def test_each_of_many_at_once_is_on_another_disk_too(self, nodes: dict[str, Node]) -> None:
        a, b, c = nodes.values()
        statuses: list[int] = []

        def client() -> None:
            statuses.extend(view(a, "many", key()).status_code for _ in range(10))

        clients = [threading.Thread(target=client) for _ in range(8)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(PATIENCE_S)
        a.kill9()
        assert statuses == [200] * 80
        wait_until(lambda: equal([b, c]), "both have the same")
        assert b.views("many") == 80

    def test_ack_peers_may_be_the_default(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, environ={"RATCHET_ACK": "peers"}) as node:
            node.start()
            assert node.post("/api/videos/x/views").status_code == 503
            assert node.post("/api/videos/x/views?ack=memory").status_code == 200


class TestNotAnswered200:
    def test_without_a_peer_it_is_refused_and_not_counted(self, nodes: dict[str, Node]) -> None:
        a, b, c = nodes.values()
        one = key()
        b.kill9()
        c.kill9()
        wait_until(lambda: not sees(a, "b") and not sees(a, "c"), "a is alone")
        for _ in range(2):
            answer = view(a, "alone", one)
            assert (answer.status_code, answer.json()["error"]) == (503, "no_peer")
            assert "retry-after" in answer.headers
        assert a.views("alone") == 0
        assert a.post("/api/videos/alone/views").status_code == 200
        b.start()
        wait_until(lambda: sees(a, "b"), "b is back")
        # A refused try has not used up its key.
        assert view(a, "alone", one).json() == {"video": "alone", "views": 2, "counted": True}

    def test_with_peers_that_hang_it_is_unsure_and_its_key_counts_once(
        self, nodes: dict[str, Node]
    ) -> None:
        a, b, c = nodes.values()
        one = key()
        b.pause()
        c.pause()
        try:
            for _ in range(2):
                answer = view(a, "hangs", one)
                assert (answer.status_code, answer.json()["error"]) == (504, "not_shared")
                # It is on a's own disk, once.
                assert a.views("hangs") == 1
                assert on_disk(a).counts["hangs"] == 1
            # A view without ack=peers does not wait for peers.
            assert a.view("hangs") == 2
        finally:
            b.resume()
            c.resume()
        # A peer that has just woken may connect anew, so do as the answer says: send it again.
        wait_until(lambda: view(a, "hangs", one).status_code == 200, "a peer has confirmed it")
        answer = view(a, "hangs", one)
        assert (answer.status_code, answer.json()) == (
            200, {"video": "hangs", "views": 2, "counted": False}
        )  # fmt: skip
        wait_until(lambda: equal([a, b, c]), "all have the same")
        assert b.views("hangs") == 2

    def test_no_refusal_says_that_a_counted_key_was_not_counted(
        self, nodes: dict[str, Node]
    ) -> None:
        """The view got 504 while the peers hung. Now they are gone."""
        a, b, c = nodes.values()
        one = key()
        b.pause()
        c.pause()
        try:
            assert view(a, "counted", one).status_code == 504
        finally:
            for node in (b, c):
                node.kill9()
        wait_until(lambda: not sees(a, "b") and not sees(a, "c"), "a is alone")
        assert view(a, "counted", one).status_code == 504
        assert view(a, "another", one).status_code == 422
        assert view(a, "counted", key()).status_code == 503
        assert a.views("counted") == 1

    def test_if_its_peers_go_while_it_waits_it_is_unsure(self, nodes: dict[str, Node]) -> None:
        a, b, c = nodes.values()
        b.pause()
        c.pause()
        try:
            answers: list[httpx.Response] = []
            waiting = threading.Thread(target=lambda: answers.append(view(a, "gone")))
            waiting.start()
            wait_until(lambda: a.views("gone") == 1, "the view is on a's disk")
        finally:
            for node in (b, c):
                node.kill9()
        waiting.join(PATIENCE_S)
        assert [answer.status_code for answer in answers] == [504]
