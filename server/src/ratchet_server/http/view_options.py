"""What a request may say of how its views are to be counted: ack, key, and which attempt it is."""

import re
from typing import Final, cast

from sanic import Request

from ratchet_server.http.errors import ApiError
from ratchet_server.settings import ACKS, Ack

_ACK_BY_QUERY: Final = {f"ack={ack}": ack for ack in ACKS}
# The pattern of a key, in either case.
UUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_KEY: Final = re.compile(UUID)
_ATTEMPT: Final = re.compile("[1-9][0-9]{0,3}")


def ack_of(request: Request, default: Ack) -> Ack:
    """The ack in the query of `request`. Raises `ApiError`."""
    query = request.query_string
    # Parsing a query costs as much as counting a view. Nearly all requests have no query, or one of
    # `_ACK_BY_QUERY`.
    ack = _ACK_BY_QUERY.get(query) or request.args.get("ack", default) if query else default
    if ack not in ACKS:
        raise ApiError(400, "bad_ack", "ack must be memory, disk or peers.")
    return cast(Ack, ack)


def key_of(request: Request) -> str | None:
    """The key of `request`, if it has one. Raises `ApiError`."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    # The standard's draft writes it in quotes (draft-ietf-httpapi-idempotency-key-header).
    if len(key) > 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        message = "The Idempotency-Key must be a UUID; make a new one for each view."
        raise ApiError(400, "bad_key", message)
    return cast(str, key.lower())


def is_retry(request: Request) -> bool:
    """Whether `request` says that it has been sent before. Raises `ApiError`."""
    attempt = request.headers.get("ratchet-attempt")
    if attempt is None or attempt == "1":
        return False
    if _ATTEMPT.fullmatch(attempt):
        return True
    message = "Ratchet-Attempt must be the number of this attempt: 1 to 9999."
    raise ApiError(400, "bad_attempt", message)
