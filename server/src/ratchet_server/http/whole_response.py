"""A response that writes its head and its body at once, without Sanic's work for each header.

Sanic puts the headers into a multidict, then cleans and encodes each name and value. That is a
seventh of a view. But the heads of these responses differ in two places only.
"""

from collections.abc import Mapping
from typing import Final, cast

from sanic import HTTPResponse
from sanic.http import Stage

from ratchet_server.http.bounded_protocol import TalliedHttp

_JSON: Final = "application/json"
# In Sanic's order, so that nobody can tell which of the two wrote a response.
_WHOLE: Final = (
    "HTTP/1.1 200 OK\r\n"
    "content-length: %d\r\n"
    "connection: %s\r\n"
    f"content-type: {_JSON}\r\n"
    "\r\n"
    "%s"
)  # fmt: skip


def json_response(body: str, headers: Mapping[str, str]) -> HTTPResponse:
    """A 200 with `body`, which is JSON in ASCII. It answers a request that is not a HEAD, and whose
    body has been read. Its blueprint must have no response middleware."""
    if headers:
        # They may repeat what the client sent. Sanic cleans them.
        return HTTPResponse(body, headers={**headers}, content_type=_JSON)
    return _WholeResponse(body)


class _WholeResponse(HTTPResponse):
    """It has no `headers`: middleware that wants to add one fails, instead of adding it to
    nothing."""

    __slots__ = ("_text",)

    def __init__(self, body: str) -> None:
        # Not the constructor of the base: it would make the headers.
        self.stream = None
        self.status = 200
        self._text = body

    async def send(self, data: object = None, end_stream: bool | None = None) -> None:  # noqa: ARG002
        """Write the whole response. Sanic calls this once, without data."""
        http = cast(TalliedHttp, self.stream)
        http.tally()
        # First, as in Sanic: if the client has gone, nothing more can be sent.
        http.response_func = None  # type: ignore[assignment]  # Sanic does the same.
        connection = "keep-alive" if http.keep_alive else "close"
        whole = _WHOLE % (len(self._text), connection, self._text)
        # Sanic's protocol has no types for it.
        await http.protocol.send(whole.encode("ascii"))  # type: ignore[no-untyped-call]
        http.stage = Stage.IDLE
