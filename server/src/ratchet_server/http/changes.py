"""`GET /api/changes`: a stream of all numbers that change, for an operator's back end.

A reader that was away goes on at the id of the last event that it has, with any node. A reader that
begins reads all numbers from `/api/videos` after the first event, and misses nothing.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from ratchet.names import Invalid
from ratchet.strict_json import dumps
from ratchet.table import Table
from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.counting.cursor import Cursor, TooOld
from ratchet_server.counting.keeper import Keeper
from ratchet_server.http import event_stream
from ratchet_server.http.errors import ApiError
from ratchet_server.http.gate import Gate
from ratchet_server.http.guard import Guard

# How many streams a node serves: each may have every video waiting.
MAX_STREAMS: Final = 16
# How many videos one event has.
MAX_VIDEOS: Final = 1000
# How long the id of an event is at most. The reader sends it back in a header, and a node takes no
# larger one. It is so long only while hundreds of slots wait to be folded.
MAX_ID: Final = 8000
# While numbers go on changing, each is sent once in this time.
COALESCE_S: Final = 0.5


class Changes:
    """The streams, and the videos that have changed since each was last sent something."""

    def __init__(self) -> None:
        self._streams: set[_Waiting] = set()

    def __len__(self) -> int:
        return len(self._streams)

    def changed(self, videos: Iterable[str]) -> None:
        """The numbers of these videos may have changed."""
        for stream in self._streams:
            stream.videos.update(videos)
            stream.wake.set()

    def close(self) -> None:
        """End all streams: the node stops."""
        for stream in self._streams:
            stream.ended = True
            stream.wake.set()

    def add(self) -> "_Waiting":
        """Begin a stream."""
        stream = _Waiting()
        self._streams.add(stream)
        return stream

    def remove(self, stream: "_Waiting") -> None:
        """End a stream."""
        self._streams.discard(stream)


class _Waiting:
    """What waits for one stream."""

    def __init__(self) -> None:
        self.videos: set[str] = set()
        self.wake = asyncio.Event()
        self.ended = False


def changes(streams: Changes, table: Table, keeper: Keeper, guard: Guard, gate: Gate) -> Blueprint:
    """The call."""
    blueprint = Blueprint("changes")

    @blueprint.on_request
    async def check(request: Request) -> None:
        guard.operator(request)
        gate.must_be_ready()

    async def send(response: HTTPResponse, videos: Iterable[str], cursor: Cursor | None) -> None:
        data = dumps({"videos": [[video, keeper.value(video)] for video in videos]})
        event = f"data: {data}\n\n"
        if cursor and len(given := str(cursor)) <= MAX_ID:
            event = f"id: {given}\n{event}"
        await response.send(event)
        # As long as the client reads quickly, `send` waits for nothing. A reader that lacks a
        # million videos would hold up views and peers for seconds.
        await asyncio.sleep(0)

    @blueprint.get("/api/changes")
    async def stream(request: Request) -> None:
        after = _after(request)
        if after and after.is_too_old(table):
            raise _too_old()
        if len(streams) >= MAX_STREAMS:
            message = f"This node sends {MAX_STREAMS} streams of changes already; try another node."
            raise ApiError(503, "crowded", message, retry_after_s=10)
        waiting = streams.add()
        try:
            # What changes from now on waits.
            at = Cursor.now(table)
            response = await event_stream.begin(request)
            if response is None:
                return
            if after:
                for videos in after.changed(table, MAX_VIDEOS):
                    await send(response, videos, None)
            await send(response, (), at)
            while not waiting.ended:
                await event_stream.wait(waiting.wake, response)
                if not waiting.videos:
                    continue
                videos, waiting.videos, at = [*waiting.videos], set(), Cursor.now(table)
                for start in range(0, len(videos), MAX_VIDEOS):
                    last = start + MAX_VIDEOS >= len(videos)
                    await send(response, videos[start : start + MAX_VIDEOS], at if last else None)
                await asyncio.sleep(COALESCE_S)
        except TooOld:
            # The response has begun. The client comes again, and is told why.
            return
        finally:
            streams.remove(waiting)

    return blueprint


def _after(request: Request) -> Cursor | None:
    """The id of the last event that the client has, if it has any. Raises `ApiError`."""
    given = request.args.get("after") or request.headers.get("last-event-id")
    if not given:
        return None
    try:
        return Cursor.parse(given)
    except Invalid:
        message = "after, or Last-Event-ID, must be the id of an event of this stream."
        raise ApiError(400, "bad_after", message) from None


def _too_old() -> ApiError:
    return ApiError(
        410,
        "too_old",
        "Slots were folded since this event, so nobody can tell what has changed: begin a stream "
        "without an id, and read all numbers again from /api/videos.",
    )
