"""The HTML pages. Each page of a clip is sent with the clip's number of views in it."""

from collections.abc import Mapping
from itertools import islice
from typing import Final

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    select_autoescape,
)
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import html

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http import headers
from ratchet_server.http.built import Built
from ratchet_server.http.catalogue import Video
from ratchet_server.http.days import SHOWN, last_days
from ratchet_server.http.embedders import Embedders
from ratchet_server.http.errors import ApiError
from ratchet_server.http.gate import Gate
from ratchet_server.http.lists import after_in
from ratchet_server.http.videos import Videos
from ratchet_server.operator.glossary import GLOSSARY
from ratchet_server.settings import Settings

# How many clips are on one page of the list: full rows of two to six.
MAX_LISTED: Final = 60
# How many other clips a watch page offers.
MAX_OTHERS: Final = 6


def pages(
    settings: Settings, videos: Videos, keeper: Keeper, embedders: Embedders, gate: Gate
) -> Blueprint:
    """The pages. While there is no built page, the response says how to build it."""
    blueprint = Blueprint("pages")
    built = Built.read(settings.page)
    templates = Environment(
        loader=FileSystemLoader(built.folder),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        # A page names the files of its build. If somebody puts another build into the folder, this
        # node must not read that build's pages until it starts again.
        auto_reload=False,
    )
    for page_file in built.folder.glob("*.html"):
        templates.get_template(page_file.name)
    playground = settings.playground or ""
    fixed = {
        "assets": f"/assets/{built.name}",
        "node": settings.name,
        "panel": settings.panel,
        "playground": playground,
    }
    page = headers.page(connects=playground)
    frame = headers.page(framed_by=embedders.sources)

    def render(name: str, fields: Mapping[str, str] = page, **values: object) -> HTTPResponse:
        try:
            # An older build may lack this page.
            template = templates.get_template(name) if built.name else None
        except TemplateNotFound:
            template = None
        if template is None:
            raise ApiError(503, "no_page", "The page isn't built: run `make browser`.")
        return html(template.render(**fixed, **values), headers=dict(fields))

    def shown(video: Video) -> dict[str, object]:
        return {
            "video": video.id,
            "title": video.title,
            "description": video.description,
            "views": keeper.value(video.id),
            "clip": f"/media/{video.id}{video.clip}",
            "poster": f"/media/{video.id}{video.poster}" if video.poster else None,
        }

    @blueprint.get("/")
    async def index(request: Request) -> HTTPResponse:
        gate.must_be_ready()
        after = after_in(request)
        following = (video for id_, video in videos.clips.items() if id_ > after)
        listed = [*islice(following, MAX_LISTED)]
        return render(
            "index.html",
            videos=[shown(video) for video in listed],
            after=after,
            next=listed[-1].id if next(following, None) else "",
        )

    @blueprint.get("/watch/<video:str>")
    async def watch(_request: Request, video: str) -> HTTPResponse:
        gate.must_be_ready()
        video = videos.known(video)
        if video not in videos.clips:
            raise ApiError(
                404, "no_clip", "This node counts this video, but has no clip of it to show."
            )
        # Offer the clips after this one, then those from the start. So every clip is on some page.
        ids = list(videos.clips)
        at = ids.index(video)
        others = (ids[at + 1 :] + ids[:at])[:MAX_OTHERS]
        return render(
            "watch.html",
            video=shown(videos.clips[video]),
            days=last_days(keeper.replica.table, video),
            most_days=SHOWN,
            others=[shown(videos.clips[other]) for other in others],
        )

    @blueprint.get("/learn")
    async def learn(_request: Request) -> HTTPResponse:
        # The lesson runs in the reader's browser, so any node may serve it at any time.
        return render("learn.html")

    @blueprint.get("/embed")
    async def embed(_request: Request) -> HTTPResponse:
        # The frame behind <view-count>. Its script asks for the numbers later, so the node need not
        # be ready now.
        return render("embed.html", frame, origins=embedders.sources)

    @blueprint.get("/cluster")
    async def cluster(_request: Request) -> HTTPResponse:
        # For operators, who want to see a node that is still starting, too.
        return render("cluster.html", glossary=GLOSSARY)

    return blueprint
