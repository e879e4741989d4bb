"""A node that was frozen does not count the views that its clients have given up meanwhile."""

import socket
import time
from pathlib import Path

import pytest

from testing.nodes import HOST, Node, wait_until
from testing.wire import key

FROZEN_S = 2.5


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node("a", tmp_path)


def _connect(node: Node) -> socket.socket:
    client = socket.create_connection((HOST, node.port), timeout=30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _send_view(client: socket.socket) -> None:
    head = f"POST /api/videos/x/views HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key()}\r\n"
    client.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())


def _reset(client: socket.socket) -> None:
    """Close with RST, as a process that is killed may."""
    linger = b"\1\0\0\0\0\0\0\0"
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.close()


def test_views_that_were_given_up_while_it_was_frozen_do_not_count(node: Node) -> None:
    with node:
        node.start()
        wait_until(lambda: node.slot, "the slot is open")
        known = [_connect(node) for _ in range(20)]
        for client in known:
            _send_view(client)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")

        frozen_at = time.monotonic()
        node.pause()
        # Some views are on connections that the node knows, the others on connections that it has
        # not accepted yet.
        waiting = [*known, *(_connect(node) for _ in range(40))]
        for client in waiting:
            _send_view(client)
        patient, leaving = waiting[::3], [c for n, c in enumerate(waiting) if n % 3]
        for number, client in enumerate(leaving):
            (_reset if number % 2 else socket.socket.close)(client)
        wait_until(lambda: time.monotonic() - frozen_at > FROZEN_S, "it was frozen for long enough")
        node.resume()

        for client in patient:
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            client.close()
        assert node.view("x") == len(known) + len(patient) + 1
        assert node.view("x") == len(known) + len(patient) + 2
