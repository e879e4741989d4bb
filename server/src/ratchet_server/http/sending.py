"""Sends a file, or a part of it: from the disk, piece by piece, as fast as the client reads."""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Final, Self, cast

from sanic import HTTPResponse, Request
from sanic.exceptions import RequestCancelled

from ratchet_server.http import ranges
from ratchet_server.http.bounded_protocol import BoundedProtocol
from ratchet_server.http.errors import ApiError
from ratchet_server.http.freshness import still_fresh

# The most bytes that one reader takes in memory, and that one read takes from the disk.
PIECE: Final = 32 * 1024

_log = logging.getLogger(__name__)


class Changed(Exception):
    """The file has changed since the response began."""


class Gone(ApiError):
    """Somebody has deleted the file."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "This file is gone.")


@dataclass(frozen=True)
class File:
    """A file as it was at a `look`. It isn't kept open, because a client may take hours."""

    path: Path
    size: int
    modified_ns: int
    inode: int

    @classmethod
    def look(cls, path: Path) -> Self:
        """The file at `path`. Raises `OSError`."""
        return cls._seen(path, path.stat())

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`. Raises `OSError`, and `Changed` if the file has
        changed since the look."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(start)
            piece = file.read(stop - start)
            # Compare after the read, because the file may change during it.
            if self != self._seen(self.path, os.fstat(file.fileno())):
                raise Changed("it has changed")
        return piece

    @classmethod
    def _seen(cls, path: Path, stat: os.stat_result) -> Self:
        return cls(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)

    @property
    def modified_s(self) -> int:
        """In whole seconds, as HTTP dates are."""
        return self.modified_ns // 10**9


async def send_file(
    request: Request, path: Path, kind: str, headers: Mapping[str, str], *, etag: str | None = None
) -> HTTPResponse | None:
    """Respond with the file at `path`. `kind`: its media type. `etag`: its entity tag; by default
    one is made of its size and time.

    Returns the response that the handler has to return, or None if it has been sent already.
    Raises `ApiError`.
    """
    try:
        file = await asyncio.to_thread(File.look, path)
    except FileNotFoundError:
        raise Gone from None
    modified = formatdate(file.modified_s, usegmt=True)
    etag = etag or f'"{file.modified_s:x}-{file.size:x}"'
    sent = {"Last-Modified": modified, "ETag": etag, "Accept-Ranges": "bytes", **headers}
    if _has_it(request, etag, file.modified_s):
        return HTTPResponse(status=304, headers=sent)
    part = _part(request, file.size, (etag, modified))
    positions = range(file.size) if part is None else part
    if part is not None:
        sent["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{file.size}"
    response = HTTPResponse(b"", 200 if part is None else 206, sent, kind)
    response.headers["Content-Length"] = str(len(positions))
    if request.method == "HEAD" or not positions:
        return response
    await request.respond(response)
    await _send(request, response, file, positions)
    return None


async def _send(request: Request, response: HTTPResponse, file: File, positions: range) -> None:
    protocol = cast(BoundedProtocol, request.protocol)
    async with protocol.patiently():
        for start in range(positions.start, positions.stop, PIECE):
            # Don't read the next piece before the client has taken the last one.
            await protocol.drained()
            stop = min(start + PIECE, positions.stop)
            try:
                piece = await asyncio.to_thread(file.read, start, stop)
            except (Changed, OSError) as error:
                # Break the connection: the client must never get a mixture of two files.
                _log.warning("broke off the response with %s: %s", file.path, error)
                protocol.cut_off()
                raise RequestCancelled from None
            await response.send(piece)


def _part(request: Request, size: int, validators: tuple[str, str]) -> range | None:
    """The positions of the requested part; None for the whole file. Raises `ApiError`."""
    given = request.headers.getall("range", [])
    if len(given) != 1 or request.method != "GET":
        return None
    # `If-Range`: the client has a part of the file, and wants the rest only if the file has not
    # changed since. If it has, send the whole file.
    if request.headers.get("if-range", validators[0]) not in validators:
        return None
    try:
        return ranges.part(given[0], size)
    except ranges.Unsatisfiable:
        error = ApiError(416, "range_not_satisfiable", f"The file ends after {size} bytes.")
        error.headers = {"Content-Range": f"bytes */{size}"}
        raise error from None


def _has_it(request: Request, etag: str, modified_s: int) -> bool:
    """Whether the client's copy is still current (RFC 9110, 13.2.2)."""
    if "if-none-match" in request.headers:
        return still_fresh(request, etag)
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
        return modified_s <= since.timestamp()
    except (ValueError, OverflowError):
        return False
