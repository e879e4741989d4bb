"""Bodies that are larger than `app.MAX_REQUEST`: an operator's call reads its own, up to a bound.

Sanic reads a body before it runs the check of the caller, so the bound for all calls is small. A
call with a large body has a route with `stream=True`: there the check comes first.
"""

from typing import cast

from sanic import Request
from sanic.http import Http


async def read_body(request: Request, most: int) -> bytes:
    """The body of `request`, at most `most` bytes. Raises Sanic's `PayloadTooLarge`."""
    cast(Http, request.stream).request_max_size = most
    # Sanic has no types there.
    await request.receive_body()  # type: ignore[no-untyped-call]
    return request.body
