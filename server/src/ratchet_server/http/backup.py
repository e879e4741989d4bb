"""`POST /api/node/backup`: what this node has on disk, as one file, for operators."""

import asyncio
import logging
import sqlite3
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.counting import files
from ratchet_server.counting.copying import copy, drop_pending
from ratchet_server.counting.failures import in_words
from ratchet_server.http.errors import ApiError
from ratchet_server.http.guard import Guard
from ratchet_server.http.sending import send_file

_log = logging.getLogger(__name__)


def backup(database: Path | None, guard: Guard) -> Blueprint:
    """The call. `database`: None if the data is in memory."""
    blueprint = Blueprint("backup")
    busy = asyncio.Lock()
    if database is not None:
        # A process that was killed may have left a copy, which takes as much room as the data.
        with suppress(OSError):
            files.for_backup(database)

    @blueprint.on_request
    async def only_operators(request: Request) -> None:
        guard.operator(request)

    @blueprint.post("/api/node/backup")
    async def send(request: Request) -> HTTPResponse | None:
        if database is None:
            message = "This node keeps its data in memory, so there is nothing to copy."
            raise ApiError(409, "in_memory", message)
        if busy.locked():
            message = "This node sends a backup already; try again when that has ended."
            raise ApiError(409, "busy", message, retry_after_s=10)
        async with busy:
            with ExitStack() as stack:
                try:
                    path = files.for_backup(database)
                    stack.callback(path.unlink, missing_ok=True)
                    await _copied(database, path)
                except (OSError, sqlite3.Error) as error:
                    message = f"This node can't copy its data beside it: {in_words(error)}."
                    raise ApiError(503, "no_backup", message) from None
                _log.info("an operator gets a backup of %d bytes", path.stat().st_size)
                kind = "application/vnd.sqlite3"
                return await send_file(request, path, kind, {"Cache-Control": "no-store"})

    return blueprint


async def _copied(database: Path, path: Path) -> None:
    """Copy in a thread. When cancelled, wait until the thread has stopped: the caller then deletes
    the file, and the next call may write another."""
    stop = threading.Event()

    def work() -> None:
        copy(database, path, stop)
        drop_pending(path)

    copying = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(copying)
    finally:
        stop.set()
        await asyncio.wait((copying,))
