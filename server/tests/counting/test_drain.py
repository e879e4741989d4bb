"""A node that is told to stop: the balancer hears it first, no view fails, all is handed over."""

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

from testing.checker import History
from testing.disk import on_disk
from testing.load import Load
from testing.nodes import HOST, PATIENCE_S, Node, cluster, connected, equal, wait_until
from testing.wire import answers, dial, established, events, how_it_closed, key, told

Tell = Callable[[Node], None]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    """Two nodes; the first may be stopped, and is running again for the next test."""
    with cluster(tmp_path_factory.mktemp("pair"), ("a", "b")) as nodes:
        yield nodes["a"], nodes["b"]


@pytest.fixture
def a(pair: tuple[Node, Node]) -> Node:
    """The node that goes."""
    if not pair[0].running:
        pair[0].start()
    wait_until(lambda: connected(pair), "a and b are connected")
    return pair[0]


@pytest.fixture
def b(pair: tuple[Node, Node]) -> Node:
    """The node that stays."""
    return pair[1]


def signalled(number: signal.Signals) -> Tell:
    return lambda node: os.kill(node.pid, number)


def called(node: Node) -> None:
    answer = node.post("/api/node/drain")
    assert answer.status_code == 200
    assert answer.json() == {"node": "a", "draining": True}


def commanded(node: Node) -> None:
    """`ratchet drain`: returns when the node has said yes."""
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
    """What a balancer is told."""
    answer = node.get("/readyz")
    if answer.status_code != 200:
        assert (answer.status_code, answer.json()["error"]) == (503, "draining")
    return answer.status_code == 200


def refuses(node: Node) -> bool:
    """Whether views are refused; they are counted or refused, and nothing else."""
    answer = node.post("/api/videos/refused/views")
    if answer.status_code == 503:
        assert answer.json()["error"] == "draining"
        assert "retry-after" in answer.headers
    else:
        assert answer.status_code == 200
    return answer.status_code == 503


class TestOnItsWay:
    @pytest.mark.parametrize("way", WAYS)
    def test_it_counts_until_the_balancer_knows_then_refuses_and_hands_over(
        self, a: Node, b: Node, way: str
    ) -> None:
        """The balancer is told before views are refused: it takes two refusals to believe it."""
        before = b.views("drained")
        assert ready(a)
        with (
            dial(a, "/api/videos/drained/live") as live,
            events(a, "/api/videos/drained/events") as messages,
        ):
            told(live)
            next(messages)
            # Whoever is to take the rows over doesn't answer yet, so that one can look on.
            b.pause()
            try:
                WAYS[way](a)
                wait_until(lambda: not ready(a), "the balancer is told")
                state = a.get("/api/node").json()
                assert (state["draining"], state["ready"]) == (True, False)
                assert a.view("drained") == before + 1
                assert not ready(a)
                wait_until(lambda: refuses(a), "views are refused")
                # Reads go on: whoever looks has not been sent elsewhere yet.
                assert a.views("drained") == before + 1
            finally:
                b.resume()
            assert a.wait() == 0
            assert how_it_closed(live).code == 1001
            list(messages)
        # At once, and not when a comes back.
        assert b.views("drained") == before + 1
        assert "Traceback" not in a.log

    def test_without_a_balancer_it_is_quick(self, a: Node, b: Node) -> None:
        a.view("quick")
        started = time.monotonic()
        assert a.stop() == 0
        assert time.monotonic() - started < 2.5
        assert b.views("quick") == 1
        assert on_disk(b).counts["quick"] == 1

    def test_told_again_it_says_the_same(self, a: Node) -> None:
        assert ready(a)
        for _ in range(3):
            called(a)
        a.post("/api/node/drain")
        assert not ready(a)
        assert not ready(a)
        assert a.wait() == 0

    def test_every_view_is_counted_refused_or_known_to_the_others(self, a: Node, b: Node) -> None:
        history = History()
        with Load(history, [a, b], videos=["busy", "rare"]) as load:
            load.more(20)
            assert a.stop() == 0
            load.more(20, at=[b])
            a.start()
            load.more(20)
        history.check([a, b])
        # No answer was lost on the way: each was an answer, or no connection at all.
        assert not [f for f in load.failures if "503" not in f.why and "Connect" not in f.why]

    def test_its_answers_say_that_they_are_the_last_on_their_connection(
        self, a: Node, b: Node
    ) -> None:
        """Else a client would send its next request into a connection that is just closed."""
        with httpx.Client(base_url=a.url, timeout=PATIENCE_S, trust_env=False) as client:
            assert client.get("/readyz").headers["connection"] == "keep-alive"
            b.pause()
            try:
                called(a)
                asked = ("GET", "/readyz"), ("POST", "/api/videos/last/views"), ("GET", "/api/node")
                for method, path in asked:
                    assert client.request(method, path).headers["connection"] == "close"
            finally:
                b.resume()
        assert a.wait() == 0

    def test_a_clip_on_its_way_to_a_slow_client_gets_there(self, tmp_path: Path) -> None:
        clip = random.Random(1).randbytes(4_000_000)
        (tmp_path / "media").mkdir()
        (tmp_path / "media/large.webm").write_bytes(clip)
        with (
            Node("a", tmp_path, flags=["--media", str(tmp_path / "media")]) as node,
            httpx.Client(timeout=PATIENCE_S, trust_env=False) as client,
        ):
            node.start()
            with client.stream("GET", f"{node.url}/media/large.webm") as answer:
                parts = answer.iter_raw(100_000)
                got = next(parts)
                os.kill(node.pid, signal.SIGTERM)
                begun = time.monotonic()
                for part in parts:
                    got += part
                    # As slow as a line on which it takes 4.5 s; a node says good-bye to idle
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
            wait_until(lambda: a.views("waits") == 1, "it is on a's disk alone")
            called(a)
            wait_until(lambda: refuses(a), "views are refused")
        finally:
            b.resume()
        assert a.wait() == 0
        view.join(PATIENCE_S)
        assert statuses == [200]
        assert b.views("waits") == 1


class TestInBoundedTime:
    def test_whatever_does_not_answer(self, a: Node, b: Node) -> None:
        """A balancer that stops asking, a peer that hangs, and a watcher that does, too."""
        assert ready(a)
        with socket.create_connection((HOST, a.port)) as hangs:
            hangs.sendall(b"GET /api/videos/x/events HTTP/1.1\r\nHost: x\r\n\r\n")
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
            wait_until(lambda: not ready(a), "the first is heard")
            assert a.stop(number) == 0
            # Unhurried it would wait 3 s for the balancer and 5 s for the peer.
            assert time.monotonic() - started < 5
        finally:
            b.resume()
        assert "they are in its data" in a.log
        assert on_disk(a).counts[f"hurry-{number}"] == 1


class TestWhileItStarts:
    def test_and_reads_its_data(self, large: Path, tmp_path: Path) -> None:
        shutil.copytree(large, tmp_path / "a")
        with Node("a", tmp_path) as node:
            node.spawn()
            wait_until(lambda: answers(node), "the node answers")
            assert node.stop() == 0
            assert "Traceback" not in node.log
            # It was at its data, or this test is about something else.
            assert "ready: " not in node.log

    def test_and_waits_for_its_peers(self, tmp_path: Path) -> None:
        with socket.create_server((HOST, 0)) as mute:
            peer = f"http://{HOST}:{mute.getsockname()[1]}"
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
            # It was opened just now, or it wasn't.
            assert answer.status_code in {200, 503}
            assert on_disk(node).counts["x"] == (answer.status_code == 200)


def test_sigterm_means_leave_where_the_node_is_told_so(tmp_path: Path) -> None:
    """For machines that never come back under their name."""
    environ = {"RATCHET_ON_TERM": "leave", "RATCHET_FOLD_GRACE": "0"}
    with cluster(tmp_path, ("a", "b"), environ=environ) as nodes:
        a, b = nodes["a"], nodes["b"]
        a.view("x")
        slot = a.slot
        assert a.stop(signal.SIGTERM) == 0
        assert "leaving for good" in a.log
        wait_until(lambda: "a" in b.get("/api/node").json()["folded"], "b has folded it")
        assert f"a@{b.get('/api/node').json()['closed']['a']}" == slot
        assert b.views("x") == 1
        # Ctrl-C at a terminal still means that it comes back.
        a.start()
        wait_until(lambda: equal([a, b]), "both have the same")
        slot = a.slot
        assert a.stop(signal.SIGINT) == 0
        assert f"a@{b.get('/api/node').json()['closed']['a']}" != slot
