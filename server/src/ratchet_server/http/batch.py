"""`POST /api/views`: counts many views of many videos at once, for an operator's back end."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta
from ratchet import names
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.entries import check_forms, check_ids, parsed
from ratchet_server.http.errors import ApiError
from ratchet_server.http.freezes import Freezes
from ratchet_server.http.gate import Gate
from ratchet_server.http.guard import Guard
from ratchet_server.http.large_body import read_body
from ratchet_server.http.videos import Videos
from ratchet_server.http.view_options import UUID, ack_of, is_retry
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
_FORM: Final = (
    '{"views": [{"video": "<id>", "n": <how many>, "key": "<UUID, if any>"}, ...]}, '
    f"with at most {MAX_ENTRIES} entries"
)


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
        ack, retry = ack_of(request, default_ack), is_retry(request)
        body = await read_body(request, MAX_BODY)
        if freezes.outlived(request):
            raise ApiError(
                503, "client_gone", "The client has closed the connection: nothing was counted."
            )
        gate.close_if_stopping(request)
        answer = await keeper.count_batch(_entries(body, videos), ack, retry=retry)
        # Most batches have none that are pending.
        return json(
            {"counted": answer.counted} | ({"pending": answer.pending} if answer.pending else {})
        )

    return blueprint


def _entries(body: bytes, videos: Videos) -> list[_Entry]:
    """The entries in `body`. Raises `ApiError`, with the index of the first bad one."""
    entries = parsed(_DECODER, body, code="bad_views", form=_FORM).views
    check_forms(entry.video for entry in entries)
    check_ids((entry.video for entry in entries), videos)
    for entry in entries:
        if entry.key:
            entry.key = entry.key.lower()
    return entries
