"""The calls that read counts."""

from typing import Final

from ratchet_server.http.lists import DEFAULT_LIMIT, MAX_IDS, MAX_LIMIT, TODAY, VIEWS
from ratchet_server.http.numbers import MAX_AGE_S
from ratchet_server.http.openapi.schemas import TEXT, many
from ratchet_server.http.openapi.schemas import VIDEO as ID
from ratchet_server.http.openapi.words import (
    IF_NONE_MATCH,
    STARTING,
    VIDEO,
    Json,
    call,
    header,
    ok,
    query,
    ref,
)
from ratchet_server.http.reads import MAX_WATCHED

_EVENTS: Final = "text/event-stream"
_MAX_AGE: Final = query(
    "max-age",
    {"type": "integer", "minimum": 1, "maximum": MAX_AGE_S},
    "For how many seconds caches may answer by themselves.",
)
_STREAMS: Final = {503: f"{STARTING[503]} crowded"}

PATHS: Final[dict[str, Json]] = {
    "/api/videos": {
        "get": call(
            "listVideos",
            "The numbers of many videos: page by page, by their ids, or the most viewed",
            ok("The videos.", ref("Numbers"), etag=True),
            {400: "bad_limit bad_after bad_ids bad_video bad_sort bad_max_age", **STARTING},
            tag="reading",
            parameters=(
                query(
                    "limit",
                    {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": MAX_LIMIT,
                        "default": DEFAULT_LIMIT,
                    },
                    "How many videos a page has at the most.",
                ),
                query(
                    "after",
                    {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,64}$"},
                    "The `next` of the page before. Not with `sort`.",
                ),
                query(
                    "ids",
                    many(ID, minItems=1, maxItems=MAX_IDS),
                    "These videos, in this order, without those that the node doesn't know. Not "
                    "with `limit`, `after` or `sort`.",
                    style="form",
                    explode=False,
                ),
                query(
                    "sort",
                    {"enum": [VIEWS, TODAY]},
                    "The most viewed first: of all days, or of today (UTC).",
                ),
                _MAX_AGE,
                IF_NONE_MATCH,
            ),
        )
    },
    "/api/videos/{video}": {
        "get": call(
            "readVideo",
            "The number of a video",
            ok("The number.", ref("Number"), etag=True),
            {400: "bad_max_age", **STARTING},
            tag="reading",
            parameters=(VIDEO, _MAX_AGE, IF_NONE_MATCH),
        )
    },
    "/api/videos/{video}/days": {
        "get": call(
            "readDays",
            "The views of a video by day (UTC)",
            ok("The days that are kept and had views.", ref("Days"), etag=True),
            {400: "bad_max_age", **STARTING},
            tag="reading",
            parameters=(VIDEO, _MAX_AGE, IF_NONE_MATCH),
        )
    },
    "/api/videos/{video}/snapshot": {
        "get": call(
            "readSnapshot",
            "The counter of a video, for replicas",
            ok("The snapshot.", ref("Snapshot")),
            STARTING,
            tag="reading",
            parameters=(VIDEO,),
        )
    },
    "/api/videos/{video}/views.svg": {
        "get": call(
            "drawViews",
            "A picture of the number",
            ok("The picture.", kind="image/svg+xml", etag=True),
            STARTING,
            tag="reading",
            parameters=(VIDEO, query("compact", TEXT, "1.2M instead of 1,234,567."), IF_NONE_MATCH),
        )
    },
    "/api/videos/{video}/events": {
        "get": call(
            "watchVideos",
            "Snapshots as server-sent events: at once, and again after changes",
            ok("Each `data:` line has a snapshot.", kind=_EVENTS),
            {400: "bad_also", **_STREAMS},
            tag="reading",
            parameters=(
                VIDEO,
                query("also", many(ID, maxItems=MAX_WATCHED - 1), "More videos."),
                query("with", {"const": "node"}, "Each snapshot also has `node`, the sender."),
            ),
        )
    },
    "/api/changes": {
        "get": call(
            "followChanges",
            "All numbers that change, as server-sent events",
            ok('Each `data:` line has `{"videos": [[video, views], ...]}`.', kind=_EVENTS),
            {400: "bad_after", 410: "too_old", **_STREAMS},
            tag="reading",
            parameters=(
                query("after", TEXT, "The id of the last event."),
                header("Last-Event-ID", "The same."),
            ),
            guarded=True,
        )
    },
}
