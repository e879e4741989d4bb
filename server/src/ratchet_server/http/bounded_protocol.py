"""Sanic's protocol, bounded: a client that doesn't read its responses can't fill our memory.

Without these bounds, a websocket client that sent pings and never read the pongs took a node from
38 MiB to 1.5 GiB in a quarter of a minute.
"""

import asyncio
import socket
import struct
import sys
from asyncio import BaseTransport, Transport
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import Any, Final, NamedTuple, cast

from sanic.exceptions import BadRequest, RequestTimeout, SanicException
from sanic.http import Http, Stage
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

from ratchet_server.http.backlog import Backlog
from ratchet_server.http.tally import Tally
from ratchet_server.http.unread import drop_unread


class Pace(NamedTuple):
    """How slow a client may be: while data waits, it has to take `at_least` bytes in every
    `within_s` seconds."""

    at_least: int
    within_s: float


# For websockets, and for responses that wait in memory as a whole.
PROMPT: Final = Pace(1, 3.0)
# For files. Viewers pause. And a balancer buffers megabytes for a slow viewer: if the viewer reads
# 25 kB/s, the balancer reads nothing for a minute. This pace is slower than a modem's. It exists so
# that no client holds a connection for days.
PATIENT: Final = Pace(512 * 1024, 120.0)
# How many bytes of a file the kernel buffers that it has not sent yet. By default it buffers up to
# 4 MB for each client, which makes nothing faster.
MAX_NOT_SENT: Final = 128 * 1024
_LOOK_S: Final = 1.0
# How many bytes a client that should only listen may send in all: enough for the pongs of some
# weeks.
MAX_FROM_LISTENER: Final = 2**20
# In these stages the node works on a request. In the other stages it waits for the client.
AT_WORK: Final = (Stage.HANDLER, Stage.RESPONSE)


class TalliedHttp(Http):
    """Sanic's HTTP, mended: it can respond to a URL that it can't parse. And it counts responses.

    Sanic offers signals and middleware for that. A signal with an empty handler costs 29 % of a
    bare request, an empty middleware 2.5 %; this costs 1 % of a view.
    """

    __slots__ = ()

    def http1_response_header(self, data: bytes, end_stream: bool) -> Coroutine[Any, Any, None]:
        """Send the head of a response, and count the response."""
        self.tally()
        return super().http1_response_header(data, end_stream)

    def tally(self) -> None:
        """Count the response."""
        # Before it is sent: how long the client takes to read is not the node's time. Sanic has no
        # start for a request that it can't parse.
        took_s = perf_counter() - self.perft0 if self.perft0 else 0.0
        route = self.request.route
        tally: Tally = self.protocol.app.ctx.tally
        tally.responded(route.path if route else None, self.response.status, took_s)

    def create_empty_request(self) -> None:
        """Make an empty request for the error response. Without this, Sanic would parse the bad URL
        again, log a traceback, and send no response."""
        self.url = None
        super().create_empty_request()


_LINUX: Final = sys.platform == "linux"
# The offset of `tcpi_bytes_acked` in Linux's `struct tcp_info`, and how many bytes of it we read.
_BYTES_ACKED: Final = 120
_TCP_INFO_BYTES: Final = 128


class BoundedProtocol(WebSocketProtocol):
    """Stops reading from a client that doesn't read its responses, and aborts its socket if it
    doesn't catch up.

    All connections share what is in the app's `ctx`: `backlog`, a `Backlog`; `room`, a `Room`; and
    `tally`, a `Tally`.
    """

    HTTP_CLASS = TalliedHttp
    __slots__ = (
        "_backlog",
        "_dropping",
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
        # When the current period of `_pace` began, and how many bytes the client had taken by then.
        self._since = 0.0
        self._then = 0
        # How many bytes it had taken at the last look.
        self._taken = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Set up a new connection, and make room for it."""
        super().connection_made(transport)
        # Call `pause_writing` as soon as one byte waits: that byte may keep a large response in
        # memory.
        cast(Transport, transport).set_write_buffer_limits(high=0)
        # Sanic sets this when the connection's task begins. By then, many more connections may have
        # come.
        self._time = monotonic()
        self.app.ctx.room.for_another(self.connections)

    @property
    def idle_since(self) -> float | None:
        """Since when the node has been waiting for a request, or for the rest of one. None while
        the node works on a request, and for a closed connection."""
        if self.transport is None or self.transport.is_closing():
            return None
        at_work = self.websocket or (self.http and self.http.stage in AT_WORK)
        return None if at_work else self._time

    def data_received(self, data: bytes) -> None:
        """Bound the bytes that a listener sends: no other limit stops a message of endless
        fragments."""
        if self.listens_only:
            self._from_listener += len(data)
            if self._from_listener > MAX_FROM_LISTENER and self.transport:
                self.transport.abort()
                return
        super().data_received(data)

    async def websocket_handshake(self, *args: Any, **kwargs: Any) -> Any:
        """Open a websocket. Respond with 400 to a handshake that can't be parsed; Sanic responds
        with 500."""
        try:
            return await super().websocket_handshake(*args, **kwargs)
        except SanicException as error:
            if error.status_code == 500:
                raise BadRequest from None
            raise

    def check_timeouts(self) -> None:
        """Check Sanic's time-outs, and one more: the body of a request must arrive within the
        request time-out, as its head must."""
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
        """Whether the client has not yet read all of a response."""
        return self._pace is PATIENT or bool(
            self.transport and self.transport.get_write_buffer_size()
        )

    @asynccontextmanager
    async def patiently(self) -> AsyncIterator[None]:
        """Let the client read as slowly as `PATIENT` allows. On exit, wait until the kernel has
        taken all bytes. Inside, await `drained` before each next piece."""
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
        """End the connection at once, and drop the bytes that wait. (Don't use Sanic's `abort`: it
        forgets the transport, and the connection's task then fails.)"""
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
        """The client has caught up: stop the clock, and read from the client again."""
        super().resume_writing()
        self._backlog.forget(self)
        if self._pace is not PATIENT:
            # For a file, the clock runs through the whole file, and not anew for each piece.
            self._stop_clock()
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: stop the clock, and drop what nobody will read."""
        self._pace = PROMPT
        self._stop_clock()
        super().connection_lost(exc)
        if self.websocket:
            self._dropping = self.loop.create_task(drop_unread(self.websocket))

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
        # If nothing waits, then this node is slow (its disk, say), and not the client.
        if not waits or taken - self._then >= self._pace.at_least:
            self._since, self._then = now, taken
        elif now - self._since >= self._pace.within_s:
            transport.abort()


def _taken(transport: Transport) -> int:
    """How many bytes the client has taken, plus a constant: compare two results.

    On Linux, it is the number of bytes that the client's kernel has acknowledged. Elsewhere, it is
    derived from the size of our buffer, which is coarse: our kernel takes bytes from the buffer in
    steps, and a slow client may take megabytes between two steps.
    """
    if _LINUX:
        sock = transport.get_extra_info("socket")
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return int(struct.unpack_from("Q", info, _BYTES_ACKED)[0])
    return -transport.get_write_buffer_size()
