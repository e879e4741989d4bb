"""`POST /api/cluster/import`: an operator brings the counts of another program.

`ratchet import` makes the call again and again: until the import takes rows, for each part of them,
and at the end. `ratchet.imports` says why an import counts once, however often it is sent.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta
from ratchet import names
from ratchet.imports import MAX_IMPORTS, Progress, TooManyImports
from ratchet.replica import Replica
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal
from ratchet_server.http.errors import ApiError
from ratchet_server.http.gate import Gate
from ratchet_server.http.guard import Guard
from ratchet_server.http.large_body import read_body
from ratchet_server.http.refusals import error_of
from ratchet_server.http.videos import Videos

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
# Where a row is, in an error of the decoder.
_INDEX: Final = re.compile(r"\$\.rows\[(\d+)\]")


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
        part = _part(await read_body(request, MAX_BODY))
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
            await _written(keeper)
            if part.end:
                _check_total(part.end, imports.progress(part.name, keeper.now))
                imports.end(part.name)
                await _written(keeper)
            progress = imports.progress(part.name, keeper.now)
        return json({"import": part.name, **progress._asdict()})

    return blueprint


def _part(body: bytes) -> _Part:
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        if place := _INDEX.search(str(error)):
            raise _bad_row(int(place[1]), "bad_entry", f"{error}.") from None
        form = '{"import": "<name>", "rows": [["<video>", <views>], ...]}'
        message = f"The body must be {form}, with at most {MAX_ROWS} rows: {error}."
        raise ApiError(400, "bad_import", message) from None


def _views_of(rows: Iterable[_Row], videos: Videos, room: int) -> dict[str, int]:
    """The rows, if this node takes all of them. Raises `ApiError`."""
    views_of, new = dict[str, int](), set[str]()
    for index, (given, views) in enumerate(rows):
        try:
            video = videos.countable(names.video(given), new)
        except names.Invalid as error:
            raise _bad_row(index, "bad_entry", f"{error}.") from None
        except ApiError as error:
            raise _bad_row(index, error.code, str(error)) from None
        if video in views_of:
            raise _bad_row(index, "bad_entry", f"{video} comes twice.")
        if views > room:
            message = f"Other nodes would not believe {views} views of {video}, but {room} at most."
            raise _bad_row(index, "too_many_views", message)
        if videos.is_new(video):
            new.add(video)
        views_of[video] = views
    return views_of


def _bad_row(index: int, code: str, message: str) -> ApiError:
    error = ApiError(400, code, f"Row {index} is bad, so none of these rows was taken. {message}")
    error.more = {"index": index}
    return error


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


async def _written(keeper: Keeper) -> None:
    try:
        await keeper.written()
    except Refusal as refusal:
        message = (
            "This node could not write these rows to its disk. Make sure that the disk has room, "
            "and send the import again."
        )
        raise ApiError(503, error_of(refusal).code, message, retry_after_s=1) from None
