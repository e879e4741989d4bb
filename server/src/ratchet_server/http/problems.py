"""Errors with the fields of RFC 9457 ("problem details"), for clients that ask for them.

A client asks by naming `application/problem+json` in Accept. Wildcards don't ask: browsers and most
libraries send them, and all of those get the errors that they have always got.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from sanic import Request

from ratchet_server.http.accepting import named
from ratchet_server.http.codes import MEANINGS

PROBLEM: Final = "application/problem+json"


def wants_problem(request: Request) -> bool:
    """Whether the client asks for the fields."""
    return PROBLEM in named(",".join(request.headers.getall("accept", [])))


def as_problem(status: int, body: Mapping[str, object]) -> dict[str, object]:
    """The `body` of an error, with the fields beside its own."""
    code = str(body["error"])
    if title := MEANINGS.get(code):
        # It leads to the code's meaning, at any node. about:blank would say that the status tells
        # all. An absolute URL would need a site that this program doesn't have.
        kind = f"/openapi.json#/x-errors/{code}"
    else:
        kind, title = "about:blank", HTTPStatus(status).phrase
    fields = {"type": kind, "title": title, "status": status, "detail": body["message"]}
    return {**fields, **body}
