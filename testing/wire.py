"""The wire as tests use it: websockets, event streams, and bytes that no library would send."""

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


def told(socket: ClientConnection) -> dict[str, Any]:
    """The next message, parsed."""
    message = json.loads(socket.recv(PATIENCE_S))
    assert isinstance(message, dict)
    return message


def told_a(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of a peer that is of this kind."""
    while (frame := told(socket))["is"] != kind:
        pass
    return frame


def told_until(socket: ClientConnection, views: int) -> list[int]:
    """The numbers that a watcher is told, up to `views`."""
    numbers: list[int] = []
    while not numbers or numbers[-1] < views:
        message = told(socket)
        numbers.append(message["base"] + sum(message["slots"].values()))
    return numbers


def how_it_closed(socket: ClientConnection) -> Close:
    """Read to the end of the connection; the close frame that the node sent."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_to_the_end(socket)
    assert closed.value.rcvd, "the connection was cut, without a word why"
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


def raw(node: Node, request: bytes) -> bytes:
    """What the node answers to these bytes, to the end of the connection."""
    with socket.create_connection((HOST, node.port), PATIENCE_S) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def hello(node: str = "x", *, process: str = PROCESS, version: object = 1) -> str:
    """The first frame of a peer."""
    return _frame(Hello("x", PROCESS, ""), node=node, process=process, version=version)


def digest(
    slots: dict[str, object] | None = None, heard: dict[str, int] | None = None, **said: object
) -> str:
    """What a peer says to have, and whatever else a digest has a field for."""
    said |= {"slots": slots or {}, "heard": heard or {}}
    return _frame(Digest(None, {}, Generations(), Generations(), Generations(), {}, 0, {}), **said)


def rows(
    slot: str, start: object, upto: object, *entries: list[object], more: object = False
) -> str:
    """Rows of a slot."""
    frame = Rows(Slot("x", 1), 0, 1, False, ())
    return _frame(frame, slot=slot, start=start, upto=upto, more=more, rows=entries)


def want(slot: str, above: object) -> str:
    """A question for rows."""
    return _frame(Want(Slot("x", 1), 0), slot=slot, above=above)


def _frame(frame: Frame, **said: object) -> str:
    """`frame` as text, with other things said in it, right or wrong."""
    return json.dumps(json.loads(codec.encode(frame)) | said)


def key() -> str:
    """A new idempotency key."""
    return str(uuid.uuid4())
