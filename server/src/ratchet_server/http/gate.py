"""Refuses reads until the node has caught up, and ends connections while the node stops."""

from sanic import Request
from sanic.http import Http

from ratchet_server.counting.life import Life
from ratchet_server.http.errors import ApiError


class Gate:
    """Looks at the state of the node for each request."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def must_be_ready(self) -> None:
        """Return if the node serves reads. Otherwise raise `ApiError`."""
        if not self._life.serves_reads:
            message = "This node has just started and is catching up with its peers; try again."
            raise ApiError(503, "not_ready", message, retry_after_s=1)

    def close_if_stopping(self, request: Request) -> None:
        """If the node is stopping, make the response to `request` the last on its connection
        (`Connection: close`). Otherwise the client could send its next request at the very moment
        when the node closes the connection, and would get no response."""
        if self._life.stopping:
            close_after(request)


def close_after(request: Request) -> None:
    """Close the connection after the response to `request`."""
    if isinstance(request.stream, Http):
        request.stream.keep_alive = False
