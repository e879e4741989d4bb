"""`POST /api/cluster/import`: an operator brings the counts of another program.

`ratchet import` makes the call again and again: until the import takes rows, for each part of them,
and at the end. `ratchet.imports` says why an import counts once, however often it is sent.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta
from ratchet import names
from ratchet.imports import MAX_IMPORTS, Progress, TooManyImports
from ratchet.replica import Replica
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.entries import check_forms, check_ids, parsed
from ratchet_server.http.errors import ApiError, bad_entry
from ratchet_server.http.gate import Gate
from ratchet_server.http.guard import Guard
from ratchet_server.http.large_body import read_body
from ratchet_server.http.videos import Videos
from ratchet_server.http.written import written

MAX_ROWS: Final = 10_000
# Room for as many rows with the longest ids.
MAX_BODY: Final = 2**20

_Count = Annotated[int, Meta(ge=1, le=names.MAX_COUNT)]
# With its prefix, it is the name of a node.
NAME: Final = f"^[a-z0-9-]{{1,{63 - len(names.IMPORT)}}}\\Z"


class _Row(NamedTuple):
    video: str
    views: _Count


class _Total(msgspec.Struct, forbid_unknown_fields=True):
    videos: _Count
    views: _Count


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=NAME)] = msgspec.field(name="import")
    rows: Annotated[list[_Row], Meta(max_length=MAX_ROWS)] = msgspec.field(default_factory=list)
    end: _Total | None = None


_DECODER: Final = msgspec.json.Decoder(_Part)
_FORM: Final = (
    f'{{"import": "<name>", "rows": [["<video>", <views>], ...]}}, with at most {MAX_ROWS} rows'
)
_UNWRITTEN: Final = (
    "This node could not write these rows to its disk. Make sure that the disk has room, and send "
    "the import again."
)


def importing(
    replica: Replica, videos: Videos, keeper: Keeper, guard: Guard, gate: Gate
) -> Blueprint:
    """The call."""
    blueprint = Blueprint("importing")
    imports = replica.imports

    @blueprint.on_request
    async def only_operators(request: Request) -> None:
        guard.operator(request)
        gate.must_be_ready()

    @blueprint.post("/api/cluster/import", stream=True)
    async def take(request: Request) -> HTTPResponse:
        body = await read_body(request, MAX_BODY)
        part = parsed(_DECODER, body, code="bad_import", form=_FORM)
        # Also of an import that takes no rows now.
        check_forms(video for video, _ in part.rows)
        keeper.check_accepting()
        try:
            progress = imports.begin(part.name, keeper.now)
        except TooManyImports:
            message = (
                f"The cluster has {MAX_IMPORTS} imports, and keeps the name of each for good. Send "
                "counts that come again and again to POST /api/views."
            )
            raise ApiError(409, "too_many_imports", message) from None
        if progress.state == "open":
            rows = _views_of(part.rows, videos, imports.room(part.name))
            imports.put(part.name, rows, keeper.now)
            await written(keeper, _UNWRITTEN)
            if part.end:
                _check_total(part.end, imports.progress(part.name, keeper.now))
                imports.end(part.name)
                await written(keeper, _UNWRITTEN)
            progress = imports.progress(part.name, keeper.now)
        return json({"import": part.name, **progress._asdict()})

    return blueprint


def _views_of(rows: Sequence[_Row], videos: Videos, room: int) -> dict[str, int]:
    """The rows, if this node takes all of them. Raises `ApiError`."""
    check_ids((row.video for row in rows), videos)
    views_of = dict[str, int]()
    for index, (video, views) in enumerate(rows):
        if video in views_of:
            raise bad_entry(index, "bad_entry", f"{video} comes twice.")
        if views > room:
            message = f"Other nodes would not believe {views} views of {video}, but {room} at most."
            raise bad_entry(index, "too_many_views", message)
        views_of[video] = views
    return views_of


def _check_total(total: _Total, progress: Progress) -> None:
    """Raises `ApiError` if the import has other rows than its file."""
    if (progress.videos, progress.views) == (total.videos, total.views):
        return
    raise ApiError(
        409,
        "import_differs",
        f"The import has {progress.views} views of {progress.videos} videos, and its file has "
        f"{total.views} of {total.videos}. It was sent in part before, from another file, or is "
        "being sent from one now. What it has can't be taken back. To end it as it is, retire it.",
    )
