"""The whole description."""

import json
from typing import Final

from ratchet_server.http.codes import MEANINGS
from ratchet_server.http.openapi import (
    counting,
    observing,
    operating,
    reading,
    reports,
    schemas,
    showing,
)
from ratchet_server.http.openapi.words import SHARED, Json

# The version of the description's contract. A new field or call raises the second number.
VERSION: Final = "1.0"

_TEXT: Final = """\
A view counter that many nodes count on. Any node answers any call; PROTOCOL.md explains them.

A call with GET also takes HEAD; another method gets 405. Each response has `X-Ratchet-Node`, the
name of the node, except that to a counted view. An error has the fields of RFC 9457, too, if
Accept names `application/problem+json`. Clients should ignore fields that they don't know.

Three things can't be described here. `WS /api/videos/{video}/live` sends snapshots over a
websocket. `WS /peer` is for other nodes. And a balancer in front of the nodes has errors of its
own, of the same form. It passes on what is tagged `counting`, `reading` and `showing` and needs no
secret (but not /cluster), and /api/node, /readyz and /openapi.json.
"""
_TAGS: Final = {
    "counting": "Count views.",
    "reading": "Read counts.",
    "observing": "How a node and its cluster are.",
    "operating": "For operators.",
    "showing": "Pages, scripts and clips.",
}


def document() -> Json:
    """The description, as JSON has it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ratchet",
            "version": VERSION,
            "description": _TEXT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": what} for name, what in _TAGS.items()],
        "paths": {
            **counting.PATHS,
            **reading.PATHS,
            **observing.PATHS,
            **operating.PATHS,
            **showing.PATHS,
        },
        "components": {
            "schemas": {**schemas.SCHEMAS, **reports.SCHEMAS},
            "responses": SHARED,
            "securitySchemes": {
                "secret": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The secret of nodes and operators. A node without one takes "
                    "these calls from its own user on its own machine.",
                }
            },
        },
        # What each error code means.
        "x-errors": dict(MEANINGS),
    }


def text() -> str:
    """The description as it is checked in and served."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
