"""One question to a node of this machine, answered within a bounded time or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ratchet_server.demo_place import HOST

# What a node tells of its cluster is some kilobytes.
_LONGEST = 8 * 1024 * 1024


class Answer(NamedTuple):
    """What a node said: the status, and what its JSON means."""

    status: int
    body: Any


class NoAnswer(Exception):
    """The node said nothing, or nothing that can be understood, in time."""


async def ask(
    port: int,
    method: str,
    path: str,
    *,
    body: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
) -> Answer:
    """Raises `NoAnswer`."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = {"Host": f"{HOST}:{port}", "Connection": "close", **(headers or {})}
    if content:
        lines["Content-Length"] = str(len(content))
    head = "\r\n".join(
        [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
    )
    message = head.encode() + b"\r\n\r\n" + content
    try:
        async with asyncio.timeout(timeout_s):
            return _understood(await _exchange(port, message))
    except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
        raise NoAnswer(f"{method} {path} at port {port}: {error or type(error).__name__}") from None


async def _exchange(port: int, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(message)
        answer = bytearray()
        while chunk := await reader.read(64 * 1024):
            answer += chunk
            if len(answer) > _LONGEST:
                raise ValueError("the answer has no end")
        return bytes(answer)
    finally:
        writer.close()


def _understood(answer: bytes) -> Answer:
    head, found, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not found or len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise ValueError("this is no HTTP")
    return Answer(int(words[1]), json.loads(body))
