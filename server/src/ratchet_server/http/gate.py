"""Which requests are served now, and which answers are the last on their connection."""

from sanic import Request
from sanic.http import Http

from ratchet_server.counting.life import Life
from ratchet_server.http.errors import ApiError


class Gate:
    """Asks the node's life, for each request."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def must_be_ready(self) -> None:
        """Reads are served. Raises `ApiError`."""
        if not self._life.reads:
            message = "This node has just started and is catching up with its peers."
            raise ApiError(503, "not_ready", message, retry_after_s=1)

    def last_answer(self, request: Request) -> None:
        """Make the answer of a node that goes the last on its connection, and say so in it: else
        the client's next request would be on its way when the connection is closed."""
        if self._life.goes and isinstance(request.stream, Http):
            request.stream.keep_alive = False
