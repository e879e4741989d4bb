"""`GET /api/videos/{video}/days`: the views of a video by day (UTC)."""

import time
from datetime import date, timedelta
from typing import Final

from ratchet.days import day_at
from ratchet.table import Table
from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.numbers import respond
from ratchet_server.http.videos import Videos

# How many days the page of a video shows.
SHOWN: Final = 30
_BEGIN: Final = date(1970, 1, 1)


def today() -> int:
    """The number of the day that it is now: see `ratchet.days`."""
    return day_at(time.time_ns() // 1000)


def add_days(blueprint: Blueprint, videos: Videos, keeper: Keeper) -> None:
    """Add the call to `blueprint`."""
    table = keeper.replica.table

    @blueprint.get("/api/videos/<video:str>/days")
    async def days(request: Request, video: str) -> HTTPResponse:
        video = videos.known(video)
        by_day = [{"day": _date(day), "views": views} for day, views in table.by_day(video).items()]
        first, now = _date(table.days.first), _date(today())
        return respond(request, {"video": video, "first": first, "today": now, "days": by_day})


def last_days(table: Table, video: str) -> list[dict[str, object]]:
    """The last days that are kept, today included, for the page of a video."""
    # Of an earlier day nobody knows whether it had views: its bar would say that it had none.
    days, now = table.days, today()
    by_day = table.by_day(video)
    shown = range(max(days.first, now - SHOWN + 1), now + 1)
    return [{"day": _date(day), "views": by_day.get(day, 0)} for day in shown]


def _date(day: int) -> str:
    return (_BEGIN + timedelta(days=day)).isoformat()
