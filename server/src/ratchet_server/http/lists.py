"""`GET /api/videos`: the numbers of many videos, page by page, by their ids, or the most viewed."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final, cast

from ratchet import names
from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.errors import ApiError
from ratchet_server.http.numbers import respond
from ratchet_server.http.today import Today
from ratchet_server.http.top import Top
from ratchet_server.http.videos import Videos

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1000
# How many videos `ids` names.
MAX_IDS: Final = 100

# The two ways to sort.
VIEWS: Final = "-views"
TODAY: Final = "-today"

_DIGITS: Final = re.compile(r"[0-9]{1,9}")


def add_lists(blueprint: Blueprint, videos: Videos, top: Top, today: Today, keeper: Keeper) -> None:
    """Add the call to `blueprint`."""

    def entry(video: str) -> dict[str, object]:
        shown = videos.text(video)
        return {
            "video": video,
            "views": keeper.value(video),
            **(shown._asdict() if shown else {}),
        }

    @blueprint.get("/api/videos")
    async def listed(request: Request) -> HTTPResponse:
        if "ids" in request.get_args(keep_blank_values=True):
            found = _asked_for(request, videos)
            return respond(request, {"videos": [entry(video) for video in found]})
        if "sort" in request.args:
            sort, limit = _sort(request), _limit(request)
            if sort == VIEWS:
                found = (await top.first())[:limit]
                return respond(request, {"videos": [entry(video) for video in found]})
            found = (await today.first())[:limit]
            views = today.views(found)
            entries = [{**entry(video), "today": n} for video, n in zip(found, views, strict=True)]
            return respond(request, {"videos": entries})
        limit, after = _limit(request), after_in(request)
        # One more shows whether there is a next page.
        ids = [*islice(videos.above(after), limit + 1)]
        page = [entry(video) for video in ids[:limit]]
        following = ids[limit - 1] if len(ids) > limit else None
        return respond(request, {"videos": page, "next": following})


def _limit(request: Request) -> int:
    given = request.args.get("limit", str(DEFAULT_LIMIT))
    if _DIGITS.fullmatch(given) and 1 <= int(given) <= MAX_LIMIT:
        return int(given)
    raise ApiError(400, "bad_limit", f"limit must be a whole number from 1 to {MAX_LIMIT}.")


def _asked_for(request: Request, videos: Videos) -> list[str]:
    """The videos in `ids`, in that order, without those that this node doesn't know. Raises
    `ApiError`."""
    given = request.get_args(keep_blank_values=True)
    ids = [*dict.fromkeys(",".join(given.getlist("ids")).split(","))]
    if len(ids) > MAX_IDS or given.keys() & {"limit", "after", "sort"}:
        message = (
            f"ids has at most {MAX_IDS} ids, with commas between them, and no limit, after or sort."
        )
        raise ApiError(400, "bad_ids", message)
    return known_of(ids, videos)


def _sort(request: Request) -> str:
    """How the videos are sorted. Raises `ApiError`."""
    given = request.args.getlist("sort")
    if len(given) == 1 and given[0] in {VIEWS, TODAY} and "after" not in request.args:
        return cast(str, given[0])
    message = (
        f"sort is {VIEWS}: the most viewed first, or {TODAY}: the most viewed today. It has a "
        "limit, and no after."
    )
    raise ApiError(400, "bad_sort", message)


def known_of(ids: Iterable[str], videos: Videos) -> list[str]:
    """Those of `ids` that this node knows, each once: another node may know more. Raises `ApiError`
    if one is no id."""
    known: dict[str, None] = {}
    for video in ids:
        try:
            known[videos.known(video)] = None
        except ApiError as error:
            if error.code != "unknown_video":
                raise
    return [*known]


def after_in(request: Request) -> str:
    """The id after which a page of a list begins; empty for the first page. Raises `ApiError`."""
    after = cast(str, request.args.get("after", ""))
    try:
        return names.video(after) if after else ""
    except names.Invalid as error:
        raise ApiError(
            400, "bad_after", f"after must be the `next` of the page before: {error}."
        ) from None
