"""Passes a clip of another node on: as fast as the client reads, as with our own files."""

from typing import TYPE_CHECKING, Final, cast

from sanic import HTTPResponse, Request
from sanic.exceptions import RequestCancelled

from ratchet_server.http import headers
from ratchet_server.http.bounded_protocol import BoundedProtocol
from ratchet_server.http.elsewhere import MARK, Elsewhere
from ratchet_server.http.errors import ApiError
from ratchet_server.http.sending import PIECE

if TYPE_CHECKING:
    import httpx

# What the other node has to know of the request, and the client of the response.
_ASKED: Final = ("range", "if-range", "if-none-match", "if-modified-since")
_ANSWERED: Final = (
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
)


async def pass_on(
    request: Request, elsewhere: Elsewhere, file: str, kind: str
) -> HTTPResponse | None:
    """Respond with this file of another node. `kind`: its media type.

    Returns the response that the handler has to return, or None if it has been sent already.
    Raises `ApiError`.
    """
    if MARK in request.headers.get("via", ""):
        # The other node believes that the file is here. Don't send the request in circles.
        raise ApiError(404, "not_found", "This node has no such clip any more.")
    asked = {
        # Sanic decodes bytes beyond ASCII to surrogates.
        name.encode(): values[0].encode(errors="surrogateescape")
        for name in _ASKED
        # A header that comes twice counts as not sent.
        if len(values := request.headers.getall(name, [])) == 1
    }
    async with elsewhere.fetch(request.method, file, asked) as source:
        fields = {name: source.headers[name] for name in _ANSWERED if name in source.headers}
        if source.status_code == 416:
            error = ApiError(416, "range_not_satisfiable", "The file ends before this range.")
            error.headers = {"Content-Range": fields.get("Content-Range", "bytes */*")}
            raise error
        if source.status_code == 304:
            fields.pop("Content-Length", None)
            return HTTPResponse(status=304, headers=fields | headers.clip())
        response = HTTPResponse(b"", source.status_code, fields | headers.clip(), kind)
        if request.method == "HEAD" or fields.get("Content-Length") == "0":
            return response
        await request.respond(response)
        await _send(request, response, source)
    return None


async def _send(request: Request, response: HTTPResponse, source: "httpx.Response") -> None:
    import httpx

    protocol = cast(BoundedProtocol, request.protocol)
    async with protocol.patiently():
        try:
            async for piece in source.aiter_raw(PIECE):
                await response.send(piece)
                # Don't read the next piece before the client has taken this one.
                await protocol.drained()
        except httpx.HTTPError:
            # The other node has gone. The player requests the rest again.
            protocol.cut_off()
            raise RequestCancelled from None
