"""`GET /openapi.json`: the description of all HTTP calls, for any program and page."""

from pathlib import Path
from typing import Final

from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.http import headers
from ratchet_server.http.freshness import etag_of, still_fresh

FILE: Final = Path(__file__).parent / "openapi" / "openapi.json"


def description() -> Blueprint:
    """The call. It is the same on all nodes of one version."""
    blueprint = Blueprint("description")
    content = FILE.read_bytes()
    etag = etag_of(content)
    fields = headers.description(etag)

    @blueprint.get("/openapi.json")
    async def described(request: Request) -> HTTPResponse:
        if still_fresh(request, etag):
            return HTTPResponse(status=304, headers=fields)
        return HTTPResponse(content, headers=fields, content_type="application/json")

    return blueprint
