"""Files: clips, the assets of the built page, and the script for pages of other sites."""

import mimetypes
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from sanic import Blueprint, HTTPResponse, Request
from sanic.handlers import ContentRangeHandler
from sanic.response import file

from ratchet_server.http import headers
from ratchet_server.http.built import Built
from ratchet_server.http.catalogue import Video
from ratchet_server.http.errors import ApiError
from ratchet_server.http.freshness import still_fresh

_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
_NEVER: Final = re.compile(r"q=0(\.0{0,3})?")
_TYPES: Final = {
    # With the charset, because a page of another site may be in another encoding.
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webp": "image/webp",
}


def clips(videos: Mapping[str, Video]) -> Blueprint:
    """`/media/{video}.webm`, with byte ranges, and its poster."""
    blueprint = Blueprint("clips")
    # One route for all clips: with a route for each, Sanic's router would need seconds to prepare
    # some hundreds.
    known = {
        path.name: path for video in videos.values() for path in (video.clip, video.poster) if path
    }

    async def clip(request: Request, name: str) -> HTTPResponse:
        path = known.get(name)
        if path is None:
            raise ApiError(404, "not_found", "There is no such clip; /api/videos lists the videos.")
        has_range = "range" in request.headers
        byte_range = ContentRangeHandler(request, path.stat()) if has_range else None
        return await file(
            path,
            headers={**headers.OURS, "Accept-Ranges": "bytes"},
            mime_type=_type(path),
            request_headers=request.headers,
            _range=byte_range,
        )

    blueprint.add_route(clip, "/media/<name:str>", methods=["GET", "HEAD"])
    return blueprint


def assets(page: Path | None) -> Blueprint:
    """`/assets/{build}/…`, compressed and cached for ever, and `/view-count.js`.

    `page`: the folder of a page built elsewhere; None: the packaged page.
    """
    blueprint = Blueprint("assets")
    built = Built.read(page)
    # The node serves only files that were there at its start, so no path leads out of the folder.
    known = {
        str(path.relative_to(built.assets)): path
        for path in built.assets.rglob("*")
        if path.is_file()
    }

    def encoding_for(request: Request, name: str) -> str | None:
        accepted = _accepted(request.headers.get("accept-encoding", ""))
        return next(
            (one for one in _ENCODINGS if one in accepted and name + _ENCODINGS[one] in known), None
        )

    async def send(name: str, encoding: str | None, fields: Mapping[str, str]) -> HTTPResponse:
        kind = _type(known[name])
        if encoding is None:
            return await file(known[name], headers=dict(fields), mime_type=kind)
        encoded = {**fields, "Content-Encoding": encoding}
        return await file(known[name + _ENCODINGS[encoding]], headers=encoded, mime_type=kind)

    @blueprint.get("/assets/<build:str>/<name:path>")
    async def asset(request: Request, build: str, name: str) -> HTTPResponse:
        # Read the build's name again: somebody may have put another build into the folder since the
        # start. Browsers would keep its files for ever under the name of this build.
        if not build == built.name == Built.read(page).name or name not in known:
            message = "This node's build of the page has no such file; load the page again."
            raise ApiError(404, "not_found", message)
        return await send(name, encoding_for(request, name), headers.asset())

    @blueprint.get("/view-count.js")
    async def view_count(request: Request) -> HTTPResponse:
        name = "embed/view-count.js"
        if name not in known:
            raise ApiError(503, "no_page", "The page isn't built: run `make browser`.")
        # The pages of other sites load the script by an address without a build, so browsers must
        # ask now and then whether it has changed.
        encoding = encoding_for(request, name)
        content = sha256(known[name].read_bytes()).hexdigest()[:16]
        etag = f'"{content}-{encoding or "plain"}"'
        fields = headers.script_for_others(etag)
        if still_fresh(request, etag):
            return HTTPResponse(status=304, headers=fields)
        return await send(name, encoding, fields)

    return blueprint


def _accepted(header: str) -> set[str]:
    """The encodings that an Accept-Encoding names and doesn't refuse (RFC 9110, 12.5.3)."""
    parts = (part.partition(";") for part in header.lower().split(","))
    return {name.strip() for name, _, weight in parts if not _NEVER.fullmatch(weight.strip())}


def _type(path: Path) -> str:
    return (
        _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
