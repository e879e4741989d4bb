"""The pages with the number in their HTML, the clips, and the built assets."""

import json
import mimetypes
from pathlib import Path
from typing import Final

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    select_autoescape,
)
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import file, html

from ratchet_server.catalogue import Video
from ratchet_server.errors import ApiError
from ratchet_server.parts import Parts

# What `make browser` writes; not in git.
BUILT: Final = Path(__file__).parent / "page"

# Nothing from other hosts; Python in the page needs WebAssembly, and nothing needs eval.
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The number in it is of this moment and this node.
    "Cache-Control": "no-store",
}
_FOREVER: Final = {
    # A worker lives by the policy that comes with its own script.
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
_TYPES: Final = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".whl": "application/zip",
    ".webm": "video/webm",
    ".webp": "image/webp",
}


def pages(parts: Parts) -> Blueprint:
    """`/`, `/watch/{video}` and `/cluster`. Until the page is built they say how to build it."""
    blueprint = Blueprint("pages")
    templates = Environment(
        loader=FileSystemLoader(BUILT),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
    )
    build = _build()

    def render(name: str, **values: object) -> HTTPResponse:
        try:
            # Of an older build there may be no such page.
            template = templates.get_template(name) if build else None
        except TemplateNotFound:
            template = None
        if template is None:
            raise ApiError(503, "no_page", "The page isn't built: run `make browser`.")
        fixed = {"assets": f"/assets/{build}", "node": parts.settings.name}
        return html(template.render(**fixed, **values), headers=_HEADERS)

    def shown(video: Video) -> dict[str, object]:
        return {
            "video": video.id,
            "title": video.title,
            "description": video.description,
            "views": parts.keeper.replica.value(video.id),
            "clip": f"/media/{video.clip.name}",
            "poster": f"/media/{video.poster.name}" if video.poster else None,
        }

    @blueprint.get("/")
    async def index(_request: Request) -> HTTPResponse:
        parts.must_be_ready()
        return render("index.html", videos=[shown(video) for video in parts.catalogue.values()])

    @blueprint.get("/watch/<video:str>")
    async def watch(_request: Request, video: str) -> HTTPResponse:
        parts.must_be_ready()
        parts.video(video)
        if video not in parts.catalogue:
            raise ApiError(
                404, "no_clip", "This video is counted here, but there is no clip of it."
            )
        return render("watch.html", video=shown(parts.catalogue[video]))

    @blueprint.get("/cluster")
    async def cluster(_request: Request) -> HTTPResponse:
        # For operators, who look at a node that starts, too.
        return render("cluster.html")

    return blueprint


def files(parts: Parts) -> Blueprint:
    """Clips, with byte ranges, and assets, compressed and for ever."""
    blueprint = Blueprint("files")
    for video in parts.catalogue.values():
        for path in filter(None, (video.clip, video.poster)):
            blueprint.static(
                f"/media/{path.name}",
                path,
                name=f"media_{path.name}",
                content_type=_type(path),
                use_content_range=True,
            )

    build = _build()
    assets = BUILT / "assets"
    # Only what is there at the start can be asked for, so no path can lead out of the folder.
    known = {str(path.relative_to(assets)): path for path in assets.rglob("*") if path.is_file()}

    @blueprint.get("/assets/<asked:str>/<name:path>")
    async def asset(request: Request, asked: str, name: str) -> HTTPResponse:
        path = known.get(name)
        if asked != build or path is None:
            raise ApiError(404, "not_found", "This build of the page has no such file.")
        accepted = {
            part.partition(";")[0].strip()
            for part in request.headers.get("accept-encoding", "").split(",")
        }
        for encoding, ending in _ENCODINGS.items():
            if encoding in accepted and (packed := known.get(name + ending)):
                headers = {**_FOREVER, "Content-Encoding": encoding}
                return await file(packed, headers=headers, mime_type=_type(path))
        return await file(path, headers=_FOREVER, mime_type=_type(path))

    return blueprint


def _build() -> str | None:
    """The name of the build that is there, if one is."""
    try:
        return str(json.loads((BUILT / "build.json").read_text())["build"])
    except FileNotFoundError:
        return None


def _type(path: Path) -> str:
    return (
        _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
