"""`POST /api/views`: counts many views of many videos at once, for an operator's back end."""

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from ratchet import names
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.errors import ApiError, bad_entry
from ratchet_server.http.freezes import Freezes
from ratchet_server.http.gate import Gate
from ratchet_server.http.guard import Guard
from ratchet_server.http.large_body import read_body
from ratchet_server.http.videos import Videos
from ratchet_server.http.view_options import UUID, ack_of
from ratchet_server.settings import Ack

MAX_ENTRIES: Final = 10_000
# Room for as many entries with the longest ids, and with keys.
MAX_BODY: Final = 2 * 2**20


class _Entry(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    video: str
    n: Annotated[int, Meta(ge=1, le=names.MAX_COUNT)]
    key: Annotated[str, Meta(pattern=f"^{UUID}\\Z")] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    views: Annotated[list[_Entry], Meta(min_length=1, max_length=MAX_ENTRIES)]


_DECODER: Final = msgspec.json.Decoder(_Batch)
# Where an entry is, in an error of the decoder.
_INDEX: Final = re.compile(r"\$\.views\[(\d+)\]")


def batch(
    videos: Videos,
    keeper: Keeper,
    guard: Guard,
    freezes: Freezes,
    gate: Gate,
    *,
    default_ack: Ack,
) -> Blueprint:
    """The call. `default_ack` is for requests that name no ack."""
    blueprint = Blueprint("batch")

    @blueprint.on_request
    async def only_operators(request: Request) -> None:
        guard.operator(request)

    @blueprint.post("/api/views", stream=True)
    async def count(request: Request) -> HTTPResponse:
        ack = ack_of(request, default_ack)
        body = await read_body(request, MAX_BODY)
        if freezes.outlived(request):
            raise ApiError(
                503, "client_gone", "The client has closed the connection: nothing was counted."
            )
        gate.close_if_stopping(request)
        counted = await keeper.count_batch(_entries(body, videos), ack)
        return json({"counted": counted})

    return blueprint


def _entries(body: bytes, videos: Videos) -> list[_Entry]:
    """The entries in `body`. Raises `ApiError`, with the index of the first bad one."""
    try:
        entries = _DECODER.decode(body).views
    except msgspec.MsgspecError as error:
        if place := _INDEX.search(str(error)):
            raise bad_entry(int(place[1]), "bad_entry", f"{error}.") from None
        form = '{"views": [{"video": "<id>", "n": <how many>, "key": "<UUID, if any>"}, ...]}'
        message = f"The body must be {form}, with at most {MAX_ENTRIES} entries: {error}."
        raise ApiError(400, "bad_views", message) from None
    known, new = set[str](), set[str]()
    for index, entry in enumerate(entries):
        if entry.video not in known:
            try:
                video = videos.countable(names.video(entry.video), new)
            except names.Invalid as error:
                raise bad_entry(index, "bad_entry", f"{error}.") from None
            except ApiError as error:
                raise bad_entry(index, error.code, str(error)) from None
            known.add(video)
            if videos.is_new(video):
                new.add(video)
        if entry.key:
            entry.key = entry.key.lower()
    return entries
