"""A node that is asked to stop: the balancer notices first, no view fails, all is handed over."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from testing import described
from testing.checker import History
from testing.disk import on_disk
from testing.load import PATIENT_S, Load
from testing.nodes import HOST, PATIENCE_S, Node, cluster, connected, equal, wait_until
from testing.wire import answers, dial, established, events, how_it_closed, key, receive

Request = Callable[[Node], None]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    """Two nodes. Tests may stop the first, which runs again for the next test."""
    with cluster(tmp_path_factory.mktemp("pair"), ("a", "b")) as nodes:
        yield nodes["a"], nodes["b"]


@pytest.fixture
def a(pair: tuple[Node, Node]) -> Node:
    """The node that stops."""
    if not pair[0].running:
        pair[0].start()
    wait_until(lambda: connected(pair), "a and b are connected")
    return pair[0]


@pytest.fixture
def b(pair: tuple[Node, Node]) -> Node:
    """The node that stays."""
    return pair[1]


def signalled(number: signal.Signals) -> Request:
    return lambda node: os.kill(node.pid, number)


def called(node: Node) -> None:
    answer = node.post("/api/node/drain")
    assert answer.status_code == 200
    assert answer.json() == {"node": "a", "draining": True}


def commanded(node: Node) -> None:
    """Run `ratchet drain`, and return once the node has agreed to stop."""
    command = [sys.executable, "-m", "ratchet_server", "drain", node.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    assert process.stdout.readline().startswith(b"a stops; it may come back.")
    threading.Thread(target=process.communicate).start()


WAYS = {
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGINT": signalled(signal.SIGINT),
    "POST": called,
    "ratchet drain": commanded,
}


def ready(node: Node) -> bool:
    """Whether the node passes a balancer's check."""
    answer = node.get("/readyz")
    if answer.status_code != 200:
        assert (answer.status_code, answer.json()["error"]) == (503, "draining")
    return answer.status_code == 200


def refuses(node: Node) -> bool:
    """Whether the node refuses views. Any response but a count or a refusal fails the test."""
    answer = node.post("/api/videos/refused/views")
    if answer.status_code == 503:
        assert answer.json()["error"] == "draining"
        assert "retry-after" in answer.headers
    else:
        assert answer.status_code == 200
    return answer.status_code == 503


class TestStopping:
    @pytest.mark.parametrize("way", WAYS)
    def test_it_counts_until_the_balancer_notices_then_refuses_and_hands_over(
        self, a: Node, b: Node, way: str
    ) -> None:
        """The balancer notices after two failed checks. Only then are views refused."""
        before = b.views("drained")
        assert ready(a)
        with (
            dial(a, "/api/videos/drained/live") as live,
            events(a, "/api/videos/drained/events") as messages,
        ):
            receive(live)
            next(messages)
            # b is to take over the rows. While b is paused, a does not end, so the test can look.
            b.pause()
            try:
                WAYS[way](a)
                wait_until(lambda: not ready(a), "the balancer's check fails")
                state = a.get("/api/node").json()
                assert (state["draining"], state["ready"]) == (True, False)
                assert a.view("drained") == before + 1
                assert not ready(a)
                wait_until(lambda: refuses(a), "views are refused")
                # Reads go on for clients that are still connected to this node.
                assert a.views("drained") == before + 1
            finally:
                b.resume()
            assert a.wait() == 0
            assert how_it_closed(live).code == 1001
            list(messages)
        # b has it now, not only once a comes back.
        assert b.views("drained") == before + 1
        assert "Traceback" not in a.log

    def test_without_a_balancer_it_is_quick(self, a: Node, b: Node) -> None:
        a.view("quick")
        started = time.monotonic()
        assert a.stop() == 0
        assert time.monotonic() - started < 2.5
        assert b.views("quick") == 1
        assert on_disk(b).counts["quick"] == 1

    def test_asked_again_it_responds_the_same(self, a: Node) -> None:
        assert ready(a)
        for _ in range(3):
            called(a)
        a.post("/api/node/drain")
        assert not ready(a)
        assert not ready(a)
        assert a.wait() == 0

    def test_every_view_is_counted_or_refused_and_no_counted_one_is_lost(
        self, a: Node, b: Node
    ) -> None:
        history = History()
        with Load(history, [a, b], videos=["busy", "rare"], attempt_s=PATIENT_S) as load:
            load.more(20)
            assert a.stop() == 0
            load.more(20, at=[b])
            a.start()
            load.more(20)
        history.check([a, b])
        # No request lost its response: it got one, or it found no connection in the first place.
        assert not [f for f in load.failures if "503" not in f.why and "Connect" not in f.why]

    def test_each_response_is_the_last_on_its_connection(self, a: Node, b: Node) -> None:
        """Otherwise a client could send its next request while the node closes the connection."""
        with described.Client(base_url=a.url, timeout=PATIENCE_S, trust_env=False) as client:
            assert client.get("/readyz").headers["connection"] == "keep-alive"
            b.pause()
            try:
                called(a)
                calls = ("GET", "/readyz"), ("POST", "/api/videos/last/views"), ("GET", "/api/node")
                for method, path in calls:
                    assert client.request(method, path).headers["connection"] == "close"
            finally:
                b.resume()
        assert a.wait() == 0

    def test_a_slow_client_still_gets_all_of_its_clip(self, tmp_path: Path) -> None:
        clip = random.Random(1).randbytes(4_000_000)
        (tmp_path / "media").mkdir()
        (tmp_path / "media/large.webm").write_bytes(clip)
        with (
            Node("a", tmp_path, flags=["--media", str(tmp_path / "media")]) as node,
            described.Client(timeout=PATIENCE_S, trust_env=False) as client,
        ):
            node.start()
            with client.stream("GET", f"{node.url}/media/large.webm") as answer:
                parts = answer.iter_raw(100_000)
                got = next(parts)
                os.kill(node.pid, signal.SIGTERM)
                begun = time.monotonic()
                for part in parts:
                    got += part
                    # As slow as a line on which the clip takes 4.5 s. A node closes idle
                    # connections after 3 s.
                    time.sleep(max(0, len(got) / len(clip) * 4.5 - (time.monotonic() - begun)))
            assert node.wait() == 0
        assert got == clip

    def test_views_that_wait_for_a_peer_are_answered_first(self, a: Node, b: Node) -> None:
        b.pause()
        try:
            statuses: list[int] = []
            path, headers = "/api/videos/waits/views?ack=peers", {"Idempotency-Key": key()}
            view = threading.Thread(
                target=lambda: statuses.append(a.post(path, headers).status_code)
            )
            view.start()
            wait_until(lambda: a.views("waits") == 1, "the view is on a's disk alone")
            called(a)
            wait_until(lambda: refuses(a), "views are refused")
        finally:
            b.resume()
        assert a.wait() == 0
        view.join(PATIENCE_S)
        assert statuses == [200]
        assert b.views("waits") == 1


class TestInBoundedTime:
    def test_whatever_does_not_respond(self, a: Node, b: Node) -> None:
        """Here a balancer sends no more checks, and a peer and a watcher hang."""
        assert ready(a)
        with socket.create_connection((HOST, a.port)) as hangs:
            hangs.sendall(b"GET /api/videos/x/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert hangs.recv(12) == b"HTTP/1.1 200"
            b.pause()
            try:
                a.view("alone")
                started = time.monotonic()
                assert a.stop() == 0
                # 3 s for the balancer, 5 s for the peer, 3 s for the watcher.
                assert time.monotonic() - started < 13
                assert "they are in its data" in a.log
                assert on_disk(a).counts["alone"] == 1
            finally:
                b.resume()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_hurries(self, a: Node, b: Node, number: signal.Signals) -> None:
        assert ready(a)
        b.pause()
        try:
            a.view(f"hurry-{number}")
            started = time.monotonic()
            os.kill(a.pid, number)
            wait_until(lambda: not ready(a), "a has handled the first signal")
            assert a.stop(number) == 0
            # After one signal alone, it would wait 3 s for the balancer and 5 s for the peer.
            assert time.monotonic() - started < 5
        finally:
            b.resume()
        assert "they are in its data" in a.log
        assert on_disk(a).counts[f"hurry-{number}"] == 1


class TestWhileItStarts:
    def test_and_reads_its_data_it_ends_well(self, large: Path, tmp_path: Path) -> None:
        shutil.copytree(large, tmp_path / "a")
        with Node("a", tmp_path) as node:
            node.spawn()
            wait_until(lambda: answers(node), "the node answers")
            assert node.stop() == 0
            assert "Traceback" not in node.log
            # The node was still reading its data, or this test has tested something else.
            assert "ready: " not in node.log

    def test_and_waits_for_its_peers_it_ends_well(self, tmp_path: Path) -> None:
        with socket.create_server((HOST, 0)) as silent:
            peer = f"http://{HOST}:{silent.getsockname()[1]}"
            with Node("a", tmp_path, peers=[peer]) as node:
                node.spawn()
                wait_until(lambda: answers(node), "the node answers")
                assert node.stop() == 0
                assert "Traceback" not in node.log

    def test_views_that_wait_for_its_slot_are_refused(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            assert node.slot is None
            refused: list[httpx.Response] = []
            view = threading.Thread(target=lambda: refused.append(node.post("/api/videos/x/views")))
            view.start()
            wait_until(lambda: established(node) >= 1, "the view is on its way")
            assert node.stop() == 0
            view.join(PATIENCE_S)
            [answer] = refused
            # The slot may have opened just before.
            assert answer.status_code in {200, 503}
            assert on_disk(node).counts["x"] == (answer.status_code == 200)


def test_sigterm_means_leave_with_that_setting(tmp_path: Path) -> None:
    """For machines that never come back under their name."""
    environ = {"RATCHET_ON_TERM": "leave", "RATCHET_FOLD_GRACE": "0"}
    with cluster(tmp_path, ("a", "b"), environ=environ) as nodes:
        a, b = nodes["a"], nodes["b"]
        a.view("x")
        slot = a.slot
        assert a.stop(signal.SIGTERM) == 0
        assert "leaving for good" in a.log
        wait_until(lambda: "a" in b.get("/api/node").json()["folded"], "b has folded a's slot")
        assert f"a@{b.get('/api/node').json()['closed']['a']}" == slot
        assert b.views("x") == 1
        # Ctrl-C at a terminal still means that it comes back.
        a.start()
        wait_until(lambda: equal([a, b]), "both have the same")
        slot = a.slot
        assert a.stop(signal.SIGINT) == 0
        assert f"a@{b.get('/api/node').json()['closed']['a']}" != slot
