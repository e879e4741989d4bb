"""`POST /api/videos/{video}/views`: counts a view. A node spends most of its time on this call."""

from typing import Final

from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal
from ratchet_server.http.errors import ApiError, refused
from ratchet_server.http.freezes import Freezes
from ratchet_server.http.gate import Gate
from ratchet_server.http.robots import Robots
from ratchet_server.http.sites import Sites
from ratchet_server.http.videos import Videos
from ratchet_server.http.view_options import ack_of, is_retry, key_of
from ratchet_server.http.whole_response import json_response
from ratchet_server.settings import Ack

# In JSON.
_COUNTED: Final = {True: "true", False: "false", "pending": '"pending"'}


def views(
    videos: Videos,
    keeper: Keeper,
    sites: Sites,
    robots: Robots,
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
            robots.may_count(request)
            video = videos.countable(video)
            gate.close_if_stopping(request)
            ack, key = ack_of(request, default_ack), key_of(request)
            answer = await keeper.count_view(video, key, ack, retry=is_retry(request))
        except (ApiError, Refusal) as failure:
            error = refused(failure) if isinstance(failure, Refusal) else failure
            # A listed site's page must be able to read why.
            error.headers = {**error.headers, **shared}
            raise error from None
        # The hottest lines of a node: made by hand, the body costs half as much as with json(). A
        # video id needs no escaping.
        counted = _COUNTED[answer.counted]
        body = f'{{"video":"{video}","views":{answer.views},"counted":{counted}}}'
        return json_response(body, shared)

    # One route: with two, Sanic's 405 would name no `Allow`.
    blueprint.add_route(count, "/api/videos/<video:str>/views", methods=["POST", "OPTIONS"])
    return blueprint
