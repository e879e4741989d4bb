"""`POST /api/videos/{video}/views`: counts a view. A node spends most of its time on this call."""

import re
from typing import Final, cast

from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal
from ratchet_server.http.errors import ApiError, refused
from ratchet_server.http.freezes import Freezes
from ratchet_server.http.gate import Gate
from ratchet_server.http.sites import Sites
from ratchet_server.http.videos import Videos
from ratchet_server.settings import ACKS, Ack

_ACK_BY_QUERY: Final = {f"ack={ack}": ack for ack in ACKS}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def views(
    videos: Videos,
    keeper: Keeper,
    sites: Sites,
    freezes: Freezes,
    gate: Gate,
    *,
    default_ack: Ack,
) -> Blueprint:
    """The call. `default_ack` is for requests that name no ack."""
    blueprint = Blueprint("views")

    async def count(request: Request, video: str) -> HTTPResponse:
        if request.method == "OPTIONS":
            return HTTPResponse(status=204, headers=sites.preflight(request))
        if freezes.outlived(request):
            raise ApiError(
                503,
                "client_gone",
                "The client has closed the connection, so the view was not counted.",
            )
        shared = sites.may_count(request)
        try:
            video = videos.countable(video)
            gate.close_if_stopping(request)
            ack, key = _ack(request, default_ack), _key(request)
            answer = await keeper.count_view(video, key, ack)
        except (ApiError, Refusal) as failure:
            error = refused(failure) if isinstance(failure, Refusal) else failure
            # A listed site's page must be able to read why.
            error.headers = {**error.headers, **shared}
            raise error from None
        # The hottest lines of a node: made by hand, the body costs half as much as with json(). A
        # video id needs no escaping.
        counted = "true" if answer.counted else "false"
        body = f'{{"video":"{video}","views":{answer.views},"counted":{counted}}}'
        return HTTPResponse(body, headers=shared, content_type="application/json")

    # One route: with two, Sanic's 405 would name no `Allow`.
    blueprint.add_route(count, "/api/videos/<video:str>/views", methods=["POST", "OPTIONS"])
    return blueprint


def _ack(request: Request, default: Ack) -> Ack:
    query = request.query_string
    # Parsing a query costs as much as counting a view. Nearly all requests have no query, or one of
    # `_ACK_BY_QUERY`.
    ack = _ACK_BY_QUERY.get(query) or request.args.get("ack", default) if query else default
    if ack not in ACKS:
        raise ApiError(400, "bad_ack", "ack must be memory, disk or peers.")
    return cast(Ack, ack)


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    # The standard's draft writes it in quotes (draft-ietf-httpapi-idempotency-key-header).
    if len(key) > 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    key = key.lower()
    if not _UUID.fullmatch(key):
        message = "The Idempotency-Key must be a UUID; make a new one for each view."
        raise ApiError(400, "bad_key", message)
    return cast(str, key)
