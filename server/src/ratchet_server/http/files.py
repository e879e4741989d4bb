"""Files: clips, the assets of the built page, and the script for pages of other sites."""

import mimetypes
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.http import headers
from ratchet_server.http.built import Built
from ratchet_server.http.catalogue import Video
from ratchet_server.http.errors import ApiError
from ratchet_server.http.freshness import still_fresh
from ratchet_server.http.sending import send_file

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
    # One route for all clips: Sanic's router would take seconds to prepare some hundreds.
    known = {
        path.name: path for video in videos.values() for path in (video.clip, video.poster) if path
    }

    @blueprint.get("/media/<name:str>")
    async def clip(request: Request, name: str) -> HTTPResponse | None:
        path = known.get(name)
        if path is None:
            raise ApiError(404, "not_found", "There is no such clip here.")
        return await send_file(request, path, _type(path), headers.clip())

    return blueprint


def assets(page: Path | None) -> Blueprint:
    """`/assets/{build}/…`, compressed and cached for ever, and `/view-count.js`. `page`: the folder
    of a page built elsewhere."""
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

    @blueprint.get("/assets/<asked:str>/<name:path>")
    async def asset(request: Request, asked: str, name: str) -> HTTPResponse | None:
        # Read again: another build may lie there since, whose files are not those of this name, and
        # whoever was given them would keep them for ever.
        if not asked == built.name == Built.read(page).name or name not in known:
            raise ApiError(404, "not_found", "This build of the page has no such file.")
        encoding, sent = encoding_for(request, name), headers.asset()
        path = known[name]
        if encoding:
            path = known[name + _ENCODINGS[encoding]]
            sent["Content-Encoding"] = encoding
        etag = f'"{built.name}-{encoding or "plain"}"'
        return await send_file(request, path, _type(known[name]), sent, etag=etag)

    # Small, and asked for by every page of another site: read once.
    name = "embed/view-count.js"
    script = {
        encoding: known[name + ending].read_bytes()
        for encoding, ending in (("", ""), *_ENCODINGS.items())
        if name + ending in known
    }

    @blueprint.get("/view-count.js")
    async def view_count(request: Request) -> HTTPResponse:
        encoding = encoding_for(request, name) or ""
        if encoding not in script:
            raise ApiError(503, "no_page", "The page isn't built: run `make browser`.")
        # Pages of other sites name the script without its build, so browsers check it now and then.
        content = sha256(script[""]).hexdigest()[:16]
        etag = f'"{content}-{encoding or "plain"}"'
        sent = headers.script_for_others(etag)
        if still_fresh(request, etag):
            return HTTPResponse(status=304, headers=sent)
        if encoding:
            sent["Content-Encoding"] = encoding
        return HTTPResponse(script[encoding], headers=sent, content_type=_type(known[name]))

    return blueprint


def _accepted(header: str) -> set[str]:
    """The encodings that an Accept-Encoding names and doesn't refuse (RFC 9110, 12.5.3)."""
    parts = (part.partition(";") for part in header.lower().split(","))
    return {name.strip() for name, _, weight in parts if not _NEVER.fullmatch(weight.strip())}


def _type(path: Path) -> str:
    return (
        _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
