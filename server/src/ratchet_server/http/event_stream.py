"""Server-sent events (https://html.spec.whatwg.org/#server-sent-events) as a response."""

import asyncio
from typing import Final, cast

from sanic import HTTPResponse, Request
from sanic.http import Http

# A quiet event stream sends a comment this often, so that no proxy takes it for dead.
KEEPALIVE_S: Final = 15.0


async def begin(request: Request) -> HTTPResponse | None:
    """Begin the response. None: the request is HEAD, and the response has ended."""
    response = await request.respond(
        content_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )
    if request.method != "HEAD":
        return cast(HTTPResponse, response)
    await response.send("")
    # Mark the stream as ended. Otherwise Sanic would end it after this handler, and fail: for HEAD,
    # it awaits None.
    cast(Http, request.stream).head_response_ignored(b"", end_stream=True)
    return None


async def wait(wake: asyncio.Event, response: HTTPResponse) -> None:
    """Wait for `wake` and clear it, or send a comment after a while."""
    try:
        async with asyncio.timeout(KEEPALIVE_S):
            await wake.wait()
    except TimeoutError:
        await response.send(": still here\n\n")
    wake.clear()
