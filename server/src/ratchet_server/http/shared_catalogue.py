"""`GET /api/catalogue`: which clips this node has itself, for the other nodes.

It needs no secret: `/api/videos` shows the same to everybody.
"""

import json
from collections.abc import Mapping
from typing import Final

from ratchet import names, strict_json
from ratchet.names import Invalid
from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.http.catalogue import CLIP, POSTERS, Catalogue, Video
from ratchet_server.http.freshness import etag_of, still_fresh

PATH: Final = "/api/catalogue"
# A catalogue that is longer is not read: some 80,000 videos.
MAX_TEXT: Final = 16 * 2**20


class Encoded:
    """A catalogue as nodes send it. Nodes with the same videos have the same `etag`."""

    def __init__(self, videos: Mapping[str, Video]) -> None:
        self.videos = videos
        fields = [
            {
                "video": video.id,
                "title": video.title,
                "description": video.description,
                "poster": video.poster,
            }
            for video in videos.values()
        ]
        self.text = json.dumps({"videos": fields}, separators=(",", ":"))
        self.etag = etag_of(self.text.encode())


class Shared:
    """This node's catalogue, encoded once for all requests."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._last = Encoded(catalogue.videos)

    @property
    def encoded(self) -> Encoded:
        """The catalogue as it is now."""
        if self._last.videos is not self._catalogue.videos:
            self._last = Encoded(self._catalogue.videos)
        return self._last


def shared_catalogue(shared: Shared) -> Blueprint:
    """The call."""
    blueprint = Blueprint("catalogue")

    @blueprint.get(PATH)
    async def own(request: Request) -> HTTPResponse:
        now = shared.encoded
        fields = {"ETag": now.etag, "Cache-Control": "no-cache"}
        if still_fresh(request, now.etag):
            return HTTPResponse(status=304, headers=fields)
        return HTTPResponse(now.text, headers=fields, content_type="application/json")

    return blueprint


def decoded(text: str) -> Mapping[str, Video]:
    """The videos of another node's catalogue. Raises `Invalid` if it is none."""
    fields = strict_json.loads(text, MAX_TEXT)
    listed = fields.get("videos") if isinstance(fields, dict) else None
    if not isinstance(listed, list):
        raise Invalid("a catalogue has a list of videos")
    return {video.id: video for video in map(_video, listed)}


def _video(fields: object) -> Video:
    # Ignore unknown fields: a later version may send more.
    if not isinstance(fields, dict):
        raise Invalid(f"a video is an object, not a {type(fields).__name__}")
    video, poster = names.video(fields.get("video")), fields.get("poster")
    title, description = _shown(fields.get("title")), _shown(fields.get("description"))
    if poster is not None and poster not in POSTERS:
        raise Invalid(f"a poster ends in {', '.join(POSTERS)}, not {names.shown(poster)}")
    return Video(video, title, description, CLIP, poster)


def _shown(text: object) -> str:
    try:
        if isinstance(text, str):
            # Half a surrogate pair can't be sent on.
            text.encode()
            return text
    except UnicodeEncodeError:
        pass
    raise Invalid(f"a title or a description is a text, not {names.shown(text)}")
