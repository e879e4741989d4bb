"""Whether a client has the current response already: `If-None-Match` (RFC 9110, 13.1.2)."""

from sanic import Request


def still_fresh(request: Request, etag: str) -> bool:
    """Whether the client has the response with this `etag` already. Then 304 will do."""
    given = request.headers.get("if-none-match", "")
    known = {part.strip().removeprefix("W/") for part in given.split(",")}
    return etag in known or "*" in known
