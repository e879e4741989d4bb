"""Files: clips, the assets of the built page, and the script for pages of other sites."""

import mimetypes
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.http import headers
from ratchet_server.http.accepting import named
from ratchet_server.http.built import Built
from ratchet_server.http.catalogue import Catalogue
from ratchet_server.http.elsewhere import Elsewhere
from ratchet_server.http.errors import ApiError
from ratchet_server.http.freshness import still_fresh
from ratchet_server.http.relaying import pass_on
from ratchet_server.http.sending import Gone, send_file

_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
_TYPES: Final = {
    # With the charset, because a page of another site may be in another encoding.
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webp": "image/webp",
}


def clips(catalogue: Catalogue, elsewhere: Elsewhere) -> Blueprint:
    """`/media/{video}.webm`, with byte ranges, and its poster; those of other nodes, too."""
    blueprint = Blueprint("clips")

    @blueprint.get("/media/<name:str>")
    async def clip(request: Request, name: str) -> HTTPResponse | None:
        if path := catalogue.path(name):
            with suppress(Gone):
                return await send_file(request, path, _type(path), headers.clip())
        return await pass_on(request, elsewhere, name, _type(Path(name)))

    return blueprint


def assets(page: Path | None) -> Blueprint:
    """`/assets/{build}/…`, compressed and cached for ever, and the scripts for other sites.

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
        accepted = named(request.headers.get("accept-encoding", ""))
        return next(
            (one for one in _ENCODINGS if one in accepted and name + _ENCODINGS[one] in known), None
        )

    @blueprint.get("/assets/<build:str>/<name:path>")
    async def asset(request: Request, build: str, name: str) -> HTTPResponse | None:
        # Read the build's name again: somebody may have put another build into the folder since the
        # start. Browsers would keep its files for ever under the name of this build.
        if not build == built.name == Built.read(page).name or name not in known:
            message = "This node's build of the page has no such file; load the page again."
            raise ApiError(404, "not_found", message)
        encoding, fields = encoding_for(request, name), headers.asset()
        path = known[name]
        if encoding:
            path = known[name + _ENCODINGS[encoding]]
            fields["Content-Encoding"] = encoding
        etag = f'"{build}-{encoding or "plain"}"'
        return await send_file(request, path, _type(known[name]), fields, etag=etag)

    def serve_to_others(path: str, name: str) -> None:
        # The script is small, and every page of another site loads it: read it once.
        script = {
            encoding: known[name + ending].read_bytes()
            for encoding, ending in (("", ""), *_ENCODINGS.items())
            if name + ending in known
        }

        async def respond(request: Request) -> HTTPResponse:
            encoding = encoding_for(request, name) or ""
            if encoding not in script:
                raise ApiError(503, "no_page", "The page isn't built: run `make browser`.")
            # The pages of other sites load the script by an address without a build, so browsers
            # must ask now and then whether it has changed.
            content = sha256(script[""]).hexdigest()[:16]
            etag = f'"{content}-{encoding or "plain"}"'
            fields = headers.script_for_others(etag)
            if still_fresh(request, etag):
                return HTTPResponse(status=304, headers=fields)
            if encoding:
                fields["Content-Encoding"] = encoding
            return HTTPResponse(script[encoding], headers=fields, content_type=_type(known[name]))

        blueprint.add_route(respond, path, name=Path(name).stem)

    serve_to_others("/view-count.js", "embed/view-count.js")
    serve_to_others("/count.js", "count.js")
    return blueprint


def _type(path: Path) -> str:
    return (
        _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
