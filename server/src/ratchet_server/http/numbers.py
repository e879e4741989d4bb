"""Responses with numbers: a client that has the same numbers already gets 304.

Caches may store these responses, and ask the node each time. With `?max-age=5` a caller lets them
answer by themselves for so many seconds. Numbers from a cache may then be less than numbers that
the same reader has seen elsewhere. So that is never so unless the caller asks for it.
"""

import re
from typing import Final

from sanic import HTTPResponse, Request
from sanic.response import json

from ratchet_server.http.errors import ApiError
from ratchet_server.http.freshness import etag_of, still_fresh

MAX_AGE_S: Final = 60
_AGE: Final = re.compile(r"[1-9][0-9]?")


def respond(request: Request, numbers: object) -> HTTPResponse:
    """The response with `numbers` as JSON. Raises `ApiError`."""
    response = json(numbers)
    etag = etag_of(response.body or b"")
    response.headers.update({"ETag": etag, "Cache-Control": _caching(request)})
    if still_fresh(request, etag):
        return HTTPResponse(status=304, headers=response.headers)
    return response


def _caching(request: Request) -> str:
    if not request.query_string or "max-age" not in request.get_args(keep_blank_values=True):
        return "no-cache"
    given = request.args.getlist("max-age", [])
    if len(given) == 1 and _AGE.fullmatch(given[0]) and int(given[0]) <= MAX_AGE_S:
        return f"public, max-age={given[0]}"
    message = f"max-age is a whole number of seconds from 1 to {MAX_AGE_S}."
    raise ApiError(400, "bad_max_age", message)
