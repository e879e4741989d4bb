"""Sanic's protocol with bounds that it lacks: a client that doesn't read can't fill our memory.

Without these bounds, a websocket client that sent pings and never read the pongs took a node from
38 MiB to 1.5 GiB in a quarter of a minute.
"""

import asyncio
from asyncio import BaseTransport, Transport
from time import monotonic
from typing import Any, Final

from sanic.exceptions import BadRequest, RequestTimeout, SanicException
from sanic.http import Http, Stage
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

# How long a client may read nothing at all while data waits for it.
STALLED_S: Final = 3.0
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


class BoundedProtocol(WebSocketProtocol):
    """Stops reading from a client that doesn't read its responses, and soon aborts its socket."""

    HTTP_CLASS = _Http
    __slots__ = ("_from_listener", "_stall_timer", "_unread", "listens_only")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.listens_only = False
        # How many bytes a listener has sent.
        self._from_listener = 0
        # How many bytes the client had still to read when the stall timer started.
        self._unread = 0
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """One connection more, if there is room for it."""
        super().connection_made(transport)
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

    def drop(self) -> None:
        """Close it at once. (Sanic's `abort` forgets the transport, and its task then fails.)"""
        if self.transport:
            self.transport.abort()

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
        return bool(self.transport and self.transport.get_write_buffer_size())

    def pause_writing(self) -> None:
        """The client reads too slowly: stop reading from it, and start the stall timer."""
        super().pause_writing()
        if self.transport and self._stall_timer is None:
            self.transport.pause_reading()
            self._start_stall_timer(self.transport)

    def resume_writing(self) -> None:
        """The client has caught up: stop the stall timer, and read from the client again."""
        super().resume_writing()
        self._stop_stall_timer()
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: stop the stall timer."""
        self._stop_stall_timer()
        super().connection_lost(exc)

    def _start_stall_timer(self, transport: Transport) -> None:
        self._unread = transport.get_write_buffer_size()
        self._stall_timer = self.loop.call_later(STALLED_S, self._abort_if_stalled, transport)

    def _abort_if_stalled(self, transport: Transport) -> None:
        # The buffer may hold a whole file, which a distant client can't read within `STALLED_S`. A
        # client that has read some of it since is slow, not stalled.
        if transport.get_write_buffer_size() < self._unread:
            self._start_stall_timer(transport)
        else:
            transport.abort()

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
