"""The wire in tests: websockets, event streams, frames, and bytes that no library would send."""

import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from ratchet import codec
from ratchet.frames import Digest, Frame, Hello, Rows, Want
from ratchet.generations import Generations
from ratchet.slot import Slot
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from testing.nodes import HOST, HTTP, PATIENCE_S, Node

PROCESS: Final = "0123456789abcdef"


def dial(
    node: Node,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    origin: str | None = None,
    limit: int | None = 2**24,
) -> ClientConnection:
    """A websocket to `node`; use it in a `with` statement."""
    return connect(
        node.url.replace("http", "ws", 1) + path,
        additional_headers=headers,
        origin=origin,  # type: ignore[arg-type]  # a NewType of str
        open_timeout=PATIENCE_S,
        close_timeout=1,
        compression=None,
        max_size=limit,
        proxy=None,
    )


def receive(socket: ClientConnection) -> dict[str, Any]:
    """Receive and parse the next message."""
    message = json.loads(socket.recv(PATIENCE_S))
    assert isinstance(message, dict)
    return message


def receive_kind(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Receive until a frame of this kind comes, and return that."""
    while (frame := receive(socket))["is"] != kind:
        pass
    return frame


def numbers_until(socket: ClientConnection, views: int) -> list[int]:
    """The numbers that a watcher receives, until one is at least `views`."""
    numbers: list[int] = []
    while not numbers or numbers[-1] < views:
        message = receive(socket)
        numbers.append(message["base"] + sum(message["slots"].values()))
    return numbers


def how_it_closed(socket: ClientConnection) -> Close:
    """Read to the end of the connection. Return the close frame that the node sent."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_to_the_end(socket)
    assert closed.value.rcvd, "the connection ended without a close frame"
    return closed.value.rcvd


def _read_to_the_end(socket: ClientConnection) -> None:
    while True:
        socket.recv(PATIENCE_S)


@contextmanager
def events(node: Node, path: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The data of an event stream, message by message."""
    with HTTP.stream("GET", node.url + path) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        yield (json.loads(line[6:]) for line in lines if line.startswith("data: "))


def answers(node: Node) -> bool:
    """Whether the node answers at all."""
    try:
        return node.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def established(node: Node) -> int:
    """How many connections to the node are open."""
    port = f":{node.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(port) and line[3] == "01" for line in lines)


def held(server: int, client: int) -> bool:
    """Whether the server on this port holds its end of the connection from the client's port."""
    ends, is_established = (f":{server:04X}", f":{client:04X}"), "01"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(
        local.endswith(ends[0]) and remote.endswith(ends[1]) and state == is_established
        for _, local, remote, state, *_ in lines
    )


def raw(node: Node, request: bytes) -> bytes:
    """Send these bytes. Return all that the node sends until the connection ends."""
    with socket.create_connection((HOST, node.port), PATIENCE_S) as connection:
        connection.sendall(request)
        response = b""
        while part := connection.recv(65536):
            response += part
        return response


def hello(node: str = "x", *, process: str = PROCESS, version: object = 1) -> str:
    """The first frame of a peer that speaks version 1 alone."""
    frame = json.loads(codec.encode(Hello("x", PROCESS, ""), 1))
    return json.dumps(frame | {"node": node, "process": process, "version": version})


def digest(
    slots: dict[str, object] | None = None, heard: dict[str, int] | None = None, **fields: object
) -> str:
    """A digest. `fields`: its other fields, by their keys in the text."""
    fields |= {"slots": slots or {}, "heard": heard or {}}
    empty = Digest(None, {}, Generations(), Generations(), Generations(), {}, 0, {})
    return _frame(empty, **fields)


def rows(
    slot: str, start: object, upto: object, *entries: list[object], more: object = False
) -> str:
    """A frame with rows of a slot."""
    frame = Rows(Slot("x", 1), 0, 1, False, ())
    return _frame(frame, slot=slot, start=start, upto=upto, more=more, rows=entries)


def want(slot: str, above: object) -> str:
    """A request for rows."""
    return _frame(Want(Slot("x", 1), 0), slot=slot, above=above)


def _frame(frame: Frame, **fields: object) -> str:
    """`frame` as text, with these fields replaced by valid or invalid ones."""
    return json.dumps(json.loads(codec.encode(frame)) | fields)


def key() -> str:
    """A new idempotency key."""
    return str(uuid.uuid4())
