"""Which requests the node serves now, and which responses are the last on their connection."""

from sanic import Request
from sanic.http import Http

from ratchet_server.counting.life import Life
from ratchet_server.http.errors import ApiError


class Gate:
    """Looks at the node's life for each request."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def must_be_ready(self) -> None:
        """Return if the node serves reads. Raises `ApiError`."""
        if not self._life.reads:
            message = "This node has just started and is catching up with its peers."
            raise ApiError(503, "not_ready", message, retry_after_s=1)

    def last_answer(self, request: Request) -> None:
        """If the node stops, make this response the last on its connection (`Connection: close`).
        Else the client could send its next request while the node closes the connection."""
        if self._life.goes:
            close_after(request)


def close_after(request: Request) -> None:
    """Close the connection after the response to `request`."""
    if isinstance(request.stream, Http):
        request.stream.keep_alive = False
