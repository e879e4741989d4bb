"""Whether what a client has is still what it would get: `If-None-Match` (RFC 9110, 13.1.2)."""

from sanic import Request


def still_fresh(request: Request, etag: str) -> bool:
    """The client has the answer of this `etag` already: 304 will do."""
    given = request.headers.get("if-none-match", "")
    known = {part.strip().removeprefix("W/") for part in given.split(",")}
    return etag in known or "*" in known
