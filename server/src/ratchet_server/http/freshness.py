"""Whether a client has the current version of a response: `If-None-Match` (RFC 9110, 13.1.2)."""

from hashlib import sha256

from sanic import Request


def etag_of(content: bytes) -> str:
    """The ETag of a response with this content."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def still_fresh(request: Request, etag: str) -> bool:
    """Whether the client has the response with this `etag` already. If so, respond with 304."""
    header = request.headers.get("if-none-match", "")
    etags = {part.strip().removeprefix("W/") for part in header.split(",")}
    return etag in etags or "*" in etags
