"""A client that reads too slowly or sends too much is disconnected, and no other client notices."""

import asyncio
import base64
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from ratchet.counter import Counter
from ratchet.generations import Generations
from ratchet.slot import Slot
from ratchet.snapshot import Snapshot
from ratchet_server.http.watchers import Message, Watchers

from testing.nodes import HOST, PATIENCE_S, Node, wait_until
from testing.wire import dial, hello, numbers_until, rows

# Slots with views of one video: they make a snapshot of some 200 kB.
SLOTS = 2500
# How much memory a hostile client may cost: its buffers, and some slack for the node's other work.
MEMORY_KIB = 40_000


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose snapshot of `big` is large, so that a socket's buffers are soon full."""
    media = tmp_path_factory.mktemp("media")
    (media / "clip.webm").write_bytes(os.urandom(2**23))
    flags = ["--open", "--media", str(media)]
    with Node("a", media, flags=flags, data=":memory:") as node:
        node.start()
        with dial(node, "/peer") as peer:
            peer.send(hello())
            for n in range(SLOTS):
                peer.send(rows(f"{'long-name' * 7}@{2**50 + n}", 0, 1, ["big", 1, 1]))
            wait_until(lambda: node.views("big") == SLOTS, "the node has all slots")
        yield node


def metric(node: Node, name: str) -> float:
    lines = node.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def connection(node: Node) -> socket.socket:
    """A connection with the smallest receive buffer, for a client that doesn't read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE_S)
    client.connect((HOST, node.port))
    return client


def websocket_without_reading(node: Node, path: str) -> socket.socket:
    client = connection(node)
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{node.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
    )
    # The first bytes of the response: from now on this is a websocket.
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def watch_without_reading(node: Node, video: str) -> socket.socket:
    return websocket_without_reading(node, f"/api/videos/{video}/live")


def send_without_end(client: socket.socket, part: bytes) -> int:
    """Send until the node closes the connection or stops reading. Return how many bytes it took."""
    sent, end = 0, time.monotonic() + PATIENCE_S
    client.settimeout(4)
    with suppress(ConnectionError, TimeoutError):
        while time.monotonic() < end:
            sent += client.send(part)
        raise AssertionError("the node reads on and on")
    return sent


class TestASlowWatcher:
    def test_is_cut_off_and_delays_no_other_client(self, busy: Node) -> None:
        before = busy.memory_kib
        with (
            closing(watch_without_reading(busy, "big")),
            closing(watch_without_reading(busy, "big")),
            dial(busy, "/api/videos/big/live") as quick,
        ):
            wait_until(lambda: metric(busy, "ratchet_watchers") == 3, "all three watch")
            views = busy.views("big")
            slowest_s = 0.0
            while metric(busy, "ratchet_watchers") > 1:
                started = time.monotonic()
                views = busy.view("big")
                numbers_until(quick, views)
                slowest_s = max(slowest_s, time.monotonic() - started)
            # The quick client gets every number soon, the last one too.
            assert slowest_s < 2
            numbers_until(quick, busy.view("big"))
        assert busy.memory_kib < before + MEMORY_KIB

    def test_of_an_event_stream_is_cut_off(self, busy: Node) -> None:
        before = busy.memory_kib
        with closing(connection(busy)) as client:
            client.sendall(b"GET /api/videos/big/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_until(lambda: metric(busy, "ratchet_watchers") == 1, "the client watches")

            def gone() -> bool:
                busy.view("big")
                return metric(busy, "ratchet_watchers") == 0

            wait_until(gone, "the client is cut off")
        assert busy.memory_kib < before + MEMORY_KIB


class TestAHostileClient:
    def test_that_pings_and_never_reads_fills_no_memory(self, busy: Node) -> None:
        before = busy.memory_kib
        # A masked ping of 125 bytes, 1,000 times.
        pings = (b"\x89\xfd" + b"\0" * 4 + b"x" * 125) * 1000
        with closing(watch_without_reading(busy, "x")) as client:
            assert send_without_end(client, pings) < 2**24
        wait_until(lambda: metric(busy, "ratchet_watchers") == 0, "the client is gone")
        assert busy.memory_kib < before + MEMORY_KIB

    def test_that_pings_peers_and_never_reads_fills_no_memory(self, busy: Node) -> None:
        before = busy.memory_kib
        pings = (b"\x89\xfd" + b"\0" * 4 + b"x" * 125) * 1000
        with closing(websocket_without_reading(busy, "/peer")) as client:
            send_without_end(client, pings)
        assert busy.memory_kib < before + MEMORY_KIB

    def test_that_sends_fragments_without_end_is_cut_off(self, busy: Node) -> None:
        before = busy.memory_kib
        first, more = b"\x01\x80" + b"\0" * 4, (b"\x00\x80" + b"\0" * 4) * 10_000
        with closing(watch_without_reading(busy, "x")) as client:
            client.sendall(first)
            assert send_without_end(client, more) < 2**24
        assert busy.memory_kib < before + MEMORY_KIB

    def test_that_sends_requests_and_never_reads_fills_no_memory(self, busy: Node) -> None:
        before = busy.memory_kib
        request = b"GET /api/videos/big/snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with closing(connection(busy)) as client:
            send_without_end(client, request * 100)
        assert busy.memory_kib < before + MEMORY_KIB


class TestASlowReader:
    def test_that_takes_its_time_gets_all_of_a_clip(self, busy: Node) -> None:
        """A distant client reads 2 MB a second. That takes longer than a client may stall."""
        with closing(connection(busy)) as client:
            client.sendall(
                b"GET /media/clip.webm HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            received, started = 0, time.monotonic()
            while part := client.recv(32_768):
                received += len(part)
                # Read no more than such a line would have delivered by now.
                pause_s = received / 2_000_000 - (time.monotonic() - started)
                threading.Event().wait(max(0.0, pause_s))
        assert received > 2**23


def test_a_change_is_encoded_once_for_all_watchers() -> None:
    encoded: list[str] = []
    received: list[Message | None] = []

    def snapshot(video: str) -> Snapshot:
        encoded.append(video)
        return Snapshot(video, Counter(0, {Slot("a", 1): len(encoded)}), Generations())

    async def story() -> None:
        watchers = Watchers("a", snapshot)
        for _ in range(100):
            watchers.add(["x"], lambda message: received.append(message), with_node=False)
        encoded.clear()
        received.clear()
        watchers.changed({"x", "y"})
        assert encoded == ["x"]
        assert len(received) == 100
        assert len({id(message) for message in received}) == 1

    asyncio.run(story())


def test_a_watcher_of_several_videos_is_one_and_is_told_once_of_the_end() -> None:
    received: list[Message | None] = []

    def watcher(message: Message | None) -> None:
        received.append(message)

    async def story() -> None:
        watchers = Watchers("a", lambda video: Snapshot(video, Counter(), Generations()))
        watchers.add(["x", "y"], watcher, with_node=True)
        assert len(watchers) == 1
        assert [message.video for message in received if message] == ["x", "y"]
        received.clear()
        watchers.changed({"y", "z"})
        assert [message.video for message in received if message] == ["y"]
        received.clear()
        watchers.close()
        assert received == [None]
        watchers.remove(["x", "y"], watcher, with_node=True)
        assert len(watchers) == 0
        watchers.changed({"x"})
        assert received == [None]

    asyncio.run(story())
