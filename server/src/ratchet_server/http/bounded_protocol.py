"""Sanic's protocol, with bounds that it lacks: a client that doesn't read can't fill our memory.

Without them, a websocket that sends pings and never reads the pongs took a node from 38 MiB to
1.5 GiB in a quarter of a minute.
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
# What a client that is only to listen may send in all: pongs, for weeks, and nothing more.
MAX_HEARD: Final = 2**20
# In these stages somebody works on a request; in the others the client is awaited.
AT_WORK: Final = (Stage.HANDLER, Stage.RESPONSE)


class _Http(Http):
    """Sanic's HTTP, without a failure of its own where it answers a URL that can't be parsed."""

    __slots__ = ()

    def create_empty_request(self) -> None:
        """A request for the error response. Sanic would parse the same URL again, and then log a
        traceback and not respond."""
        self.url = None
        super().create_empty_request()


class BoundedProtocol(WebSocketProtocol):
    """Reads nothing more from a client that doesn't read its responses, and soon cuts it off."""

    HTTP_CLASS = _Http
    __slots__ = ("_cut", "_heard", "_left", "listens_only")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.listens_only = False
        self._heard = 0
        # What had not been taken when it was last looked at, in bytes.
        self._left = 0
        self._cut: asyncio.TimerHandle | None = None

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
            self._heard += len(data)
            if self._heard > MAX_HEARD and self.transport:
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
            # Else Sanic would wait for the body once more, to throw it away.
            http.request_body = None
            self._task.cancel()
            return
        super().check_timeouts()

    @property
    def is_being_read(self) -> bool:
        """Whether the client has still to read some of a response."""
        return bool(self.transport and self.transport.get_write_buffer_size())

    def pause_writing(self) -> None:
        """The client reads too slowly: read nothing from it, and start the timer."""
        super().pause_writing()
        if self.transport and self._cut is None:
            self.transport.pause_reading()
            self._look_again(self.transport)

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._keep()
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: stop the timer."""
        self._keep()
        super().connection_lost(exc)

    def _look_again(self, transport: Transport) -> None:
        self._left = transport.get_write_buffer_size()
        self._cut = self.loop.call_later(STALLED_S, self._cut_if_stalled, transport)

    def _cut_if_stalled(self, transport: Transport) -> None:
        # The buffer may be a whole file: far away, it takes longer to get through than a stalled
        # client is kept. Whoever takes some of it is slow, and not stalled.
        if transport.get_write_buffer_size() < self._left:
            self._look_again(transport)
        else:
            transport.abort()

    def _keep(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
