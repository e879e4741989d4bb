"""A node's open files are bounded: clients that take all of them leave room for everybody else."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ratchet_server.cli import main

from testing.nodes import HOST, PATIENCE_S, Node, connected, wait_until

# The soft and the hard limit: like those of a container, but smaller.
FILES = (64, 128)
MANY = 150

UPGRADE = (
    b"GET /api/videos/x/live HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
STREAM = b"GET /api/videos/x/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node("a", tmp_path, files=FILES) as node:
        yield node.start()


@contextmanager
def clients(node: Node, count: int, request: bytes) -> Iterator[list[socket.socket]]:
    """Open `count` connections, send `request` on each, and keep them open."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection((HOST, node.port), PATIENCE_S))
            client.sendall(request)
            opened.append(client)
        yield opened


def status(client: socket.socket) -> int:
    """The status of the response; 0 when the connection was reset."""
    try:
        return int(client.recv(12)[9:] or 0)
    except ConnectionError:
        return 0


def serves(node: Node, tmp_path: Path) -> None:
    """Assert that the node responds to checks, counts views, and accepts a new peer."""
    assert node.get("/healthz").status_code == 200
    assert node.get("/readyz").status_code == 200
    views = node.views("x")
    assert node.view("x") == views + 1
    with Node("b", tmp_path, peers=[node.url], data=":memory:") as peer:
        peer.start()
        wait_until(lambda: connected([node, peer]), "a new peer is connected")


class TestWatchers:
    @pytest.mark.parametrize("request_", [UPGRADE, STREAM], ids=["websockets", "events"])
    def test_beyond_the_room_for_them_get_503_and_leave_room_for_all_else(
        self, node: Node, tmp_path: Path, request_: bytes
    ) -> None:
        with clients(node, MANY, request_) as watching:
            got = Counter(map(status, watching))
            served = got[101] + got[200]
            assert set(got) <= {101, 200, 503}, got
            # More than the soft limit alone would allow.
            assert FILES[0] < served < FILES[1]
            serves(node, tmp_path)
        wait_until(lambda: room(node)["ratchet_watchers"] == 0, "they are gone")

    def test_that_are_refused_get_a_retry_after(self, node: Node) -> None:
        with clients(node, MANY, UPGRADE) as watching:
            last = watching[-1]
            head, _, body = last.recv(4096).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: " in head.lower()
            assert json.loads(body)["error"] == "crowded"


def room(node: Node) -> dict[str, float]:
    lines = [line.split() for line in node.get("/metrics").text.splitlines()]
    return {line[0]: float(line[1]) for line in lines if line[0] != "#"}


class TestIdleConnections:
    def test_make_room_for_new_ones(self, node: Node, tmp_path: Path) -> None:
        with clients(node, 2 * MANY, b""):
            serves(node, tmp_path)

    def test_in_the_middle_of_a_request_make_room_too(self, node: Node, tmp_path: Path) -> None:
        with clients(node, 2 * MANY, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"):
            serves(node, tmp_path)


class TestAnOperator:
    def test_sees_that_watchers_were_refused_and_what_to_do(
        self, node: Node, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kind = 'ratchet_connections_refused_total{kind="watcher"}'
        assert room(node)[kind] == 0
        with clients(node, MANY, UPGRADE) as watching:
            refused = sum(status(client) == 503 for client in watching)
            assert refused > 0
            samples = room(node)
            assert samples[kind] == refused
            assert samples["ratchet_watchers"] == samples["ratchet_watchers_max"]
            assert samples["ratchet_watchers_max"] < samples["ratchet_connections_max"] < FILES[1]
            assert main(["status", node.url]) == 0
            printed = capsys.readouterr().out
            assert "something needs a look" in printed
            assert "open files" in printed
        [line] = [line for line in node.log.splitlines() if "refuses more watchers" in line]
        assert "WARNING" in line
        assert "hard limit of open files" in line

    def test_gets_a_warning_at_the_start_if_the_limit_is_too_low(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, files=(64, 64)) as node:
            node.start()
            assert "WARNING this node may open only 64 files" in node.log


class TestNewConnections:
    def test_wait_in_a_long_queue_while_the_node_is_busy(self, node: Node) -> None:
        node.pause()
        try:
            with clients(node, 500, b""):
                pass
        finally:
            node.resume()
        wait_until(lambda: node.get("/healthz").status_code == 200, "it responds")
