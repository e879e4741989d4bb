"""Sanic's protocol with bounds that it lacks: a client that doesn't read can't fill our memory.

Without these bounds, a websocket client that sent pings and never read the pongs took a node from
38 MiB to 1.5 GiB in a quarter of a minute.
"""

import asyncio
import socket
import struct
import sys
from asyncio import BaseTransport, Transport
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, NamedTuple, cast

from sanic.exceptions import BadRequest, RequestTimeout, SanicException
from sanic.http import Http, Stage
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

from ratchet_server.http.backlog import Backlog


class Pace(NamedTuple):
    """How slow a client may be: while data waits, it has to take `at_least` so many bytes in any
    `within_s` seconds."""

    at_least: int
    within_s: float


# For responses that were made for this client and wait in memory, and for websockets.
PROMPT: Final = Pace(1, 3.0)
# For files. Viewers pause. And a balancer in front takes megabytes at once for a slow reader: one
# that reads 25 kB/s gets the next ones after a minute. The least pace is slower than a modem's. It
# exists so that no reader holds a connection for days.
PATIENT: Final = Pace(512 * 1024, 120.0)
# What the system takes of a file beyond what is on its way. By itself it takes up to 4 MB for each
# reader, which makes nothing faster.
MAX_NOT_SENT: Final = 128 * 1024
_LOOK_S: Final = 1.0
# How many bytes a client that should only listen may send in all. It is enough for the pongs of
# some weeks.
MAX_FROM_LISTENER: Final = 2**20
# In these stages the node works on a request. In the others it waits for the client.
AT_WORK: Final = (Stage.HANDLER, Stage.RESPONSE)


class _Http(Http):
    """Sanic's HTTP, which fails itself when it responds to a URL that it can't parse."""

    __slots__ = ()

    def create_empty_request(self) -> None:
        """Make a request for the error response. Sanic would parse the same URL again, log a
        traceback, and send no response."""
        self.url = None
        super().create_empty_request()


_LINUX: Final = sys.platform == "linux"
# The place of `tcpi_bytes_acked` in Linux's `struct tcp_info`, and how much of that we read.
_BYTES_ACKED: Final = 120
_TCP_INFO_BYTES: Final = 128


class BoundedProtocol(WebSocketProtocol):
    """Stops reading from a client that doesn't read its responses, and soon aborts its socket.

    The app's `ctx.backlog` is the `Backlog` of all connections, and its `ctx.room` their `Room`.
    """

    HTTP_CLASS = _Http
    __slots__ = (
        "_backlog",
        "_from_listener",
        "_look",
        "_pace",
        "_since",
        "_taken",
        "_then",
        "listens_only",
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._backlog: Backlog = self.app.ctx.backlog
        self.listens_only = False
        # How many bytes a listener has sent.
        self._from_listener = 0
        self._pace = PROMPT
        self._look: asyncio.TimerHandle | None = None
        # When the time of `_pace` began, and how much the client had taken then.
        self._since = 0.0
        self._then = 0
        # How much it had taken when we looked last.
        self._taken = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Every byte that the system doesn't take counts as waiting, from the first one on: it may
        keep a large response in memory. And one connection more needs room."""
        super().connection_made(transport)
        cast(Transport, transport).set_write_buffer_limits(high=0)
        # Sanic sets it when the connection's task begins, and that may be after many more came.
        self._time = monotonic()
        self.app.ctx.room.for_another(self.connections)

    @property
    def idle_since(self) -> float | None:
        """Since when it waits for a request, or the rest of one; None if a request is at work."""
        if self.transport is None or self.transport.is_closing():
            return None
        at_work = self.websocket or (self.http and self.http.stage in AT_WORK)
        return None if at_work else self._time

    def data_received(self, data: bytes) -> None:
        """Count the bytes that a listener sends: endless fragments would pass all other limits."""
        if self.listens_only:
            self._from_listener += len(data)
            if self._from_listener > MAX_FROM_LISTENER and self.transport:
                self.transport.abort()
                return
        super().data_received(data)

    async def websocket_handshake(self, *args: Any, **kwargs: Any) -> Any:
        """Open a websocket. A handshake that can't be parsed is the client's fault, not ours."""
        try:
            return await super().websocket_handshake(*args, **kwargs)
        except SanicException as error:
            if error.status_code == 500:
                raise BadRequest from None
            raise

    def check_timeouts(self) -> None:
        """Check Sanic's time-outs, and one more: a request's body must arrive as fast as its
        head."""
        http = self._http
        waits_for_body = http and http.stage is Stage.HANDLER and http.request_body
        if self._task and waits_for_body and monotonic() - self._time > self.request_timeout:
            http.exception = RequestTimeout()
            # Otherwise Sanic would wait for the body again, only to discard it.
            http.request_body = None
            self._task.cancel()
            return
        super().check_timeouts()

    @property
    def is_being_read(self) -> bool:
        """Whether the client has still to read some of a response."""
        return self._pace is PATIENT or bool(
            self.transport and self.transport.get_write_buffer_size()
        )

    @asynccontextmanager
    async def patiently(self) -> AsyncIterator[None]:
        """Inside, the client may be as slow as a reader of a file. Returns when the system has
        taken all that was sent. Don't make the next piece before `drained` returns."""
        self._pace = PATIENT
        self._start_clock()
        if _LINUX and self.transport:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_NOT_SENT)
        try:
            yield
            await self.drained()
        finally:
            self._pace = PROMPT
            if self._can_write.is_set():
                self._stop_clock()

    async def drained(self) -> None:
        """Return when nothing waits for the client, or when it is gone."""
        await self._can_write.wait()

    def cut_off(self) -> None:
        """End the connection at once, and drop what waits. (Sanic's `abort` forgets the transport,
        and the connection's task then fails.)"""
        if self.transport:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client reads too slowly: read nothing from it, and start the clock."""
        super().pause_writing()
        if self.transport:
            self.transport.pause_reading()
            self._start_clock()
            self._backlog.waits(self, self.transport.get_write_buffer_size(), took=True)

    def resume_writing(self) -> None:
        """The client has caught up: stop the stall timer, and read from the client again."""
        super().resume_writing()
        self._backlog.forget(self)
        if self._pace is not PATIENT:
            # The pace of a file's reader is that of the whole file, and not of each piece.
            self._stop_clock()
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: stop the clock."""
        self._pace = PROMPT
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        if self._look is None and self.transport:
            self._since = monotonic()
            self._then = self._taken = _taken(self.transport)
            self._look = self.loop.call_later(_LOOK_S, self._cut_if_stalled, self.transport)

    def _stop_clock(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _cut_if_stalled(self, transport: Transport) -> None:
        self._look = self.loop.call_later(_LOOK_S, self._cut_if_stalled, transport)
        now, taken = monotonic(), _taken(transport)
        waits = not self._can_write.is_set()
        if waits:
            size = transport.get_write_buffer_size()
            self._backlog.waits(self, size, took=taken > self._taken)
        self._taken = taken
        # Where nothing waits, we are the slow one: the disk, for instance.
        if not waits or taken - self._then >= self._pace.at_least:
            self._since, self._then = now, taken
        elif now - self._since >= self._pace.within_s:
            transport.abort()


def _taken(transport: Transport) -> int:
    """How many bytes the client has taken; only how it grows means something.

    Linux says how many the client's system has acknowledged. What is still in our buffer says
    less: it goes on to the system in steps, and between two steps a slow client takes megabytes.
    """
    if _LINUX:
        sock = transport.get_extra_info("socket")
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return int(struct.unpack_from("Q", info, _BYTES_ACKED)[0])
    return -transport.get_write_buffer_size()
