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

# What waits in memory for one reader, at most. It is what the disk reads ahead at once, too.
PIECE: Final = 32 * 1024

_log = logging.getLogger(__name__)


class Changed(Exception):
    """The file is not the one any more of which the response has begun."""


@dataclass(frozen=True)
class File:
    """A file as it was when somebody looked. Nothing keeps it open: a reader may take hours."""

    path: Path
    size: int
    modified_ns: int
    inode: int

    @classmethod
    def look(cls, path: Path) -> Self:
        """The file at `path`. Raises `OSError`."""
        return cls._seen(path, path.stat())

    def read(self, start: int, stop: int) -> bytes:
        """These bytes of the file. Raises `Changed` if it is another one by now, or `OSError`."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(start)
            piece = file.read(stop - start)
            # After the reading: somebody may write into the file meanwhile.
            if self != self._seen(self.path, os.fstat(file.fileno())):
                raise Changed("it has changed")
        return piece

    @classmethod
    def _seen(cls, path: Path, stat: os.stat_result) -> Self:
        return cls(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)

    @property
    def modified_s(self) -> int:
        """As HTTP has it: in whole seconds."""
        return self.modified_ns // 10**9


async def send_file(
    request: Request, path: Path, kind: str, headers: Mapping[str, str], *, etag: str | None = None
) -> HTTPResponse | None:
    """Respond with the file at `path`. `kind`: its media type. `etag`: the name of its content,
    where it has a better one than its size and time.

    The response to return from the handler, or None if it has been sent. Raises `ApiError`.
    """
    try:
        file = await asyncio.to_thread(File.look, path)
    except FileNotFoundError:
        raise ApiError(404, "not_found", "This file is gone.") from None
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
            # Read nothing for a client that doesn't take what it has.
            await protocol.drained()
            stop = min(start + PIECE, positions.stop)
            try:
                piece = await asyncio.to_thread(file.read, start, stop)
            except (Changed, OSError) as error:
                # The client must see a broken connection, and not a mixture of two files.
                _log.warning("broke off the response with %s: %s", file.path, error)
                protocol.cut_off()
                raise RequestCancelled from None
            await response.send(piece)


def _part(request: Request, size: int, validators: tuple[str, str]) -> range | None:
    """The part that the request asks for; None for the whole. Raises `ApiError`."""
    given = request.headers.getall("range", [])
    if len(given) != 1 or request.method != "GET":
        return None
    # The client has some of the file, and wants the rest only if it is still the same file.
    if request.headers.get("if-range", validators[0]) not in validators:
        return None
    try:
        return ranges.part(given[0], size)
    except ranges.Unsatisfiable:
        error = ApiError(416, "range_not_satisfiable", f"The file ends after {size} bytes.")
        error.headers = {"Content-Range": f"bytes */{size}"}
        raise error from None


def _has_it(request: Request, etag: str, modified_s: int) -> bool:
    """Whether the client has this very file already (RFC 9110, 13.2.2)."""
    if "if-none-match" in request.headers:
        return still_fresh(request, etag)
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
        return modified_s <= since.timestamp()
    except (ValueError, OverflowError):
        return False
