"""Reading counts: numbers, snapshots and pictures, and live updates of a number. `lists` has the
lists."""

import asyncio
from typing import Final, cast

from sanic import Blueprint, HTTPResponse, Request, Websocket
from sanic.exceptions import WebsocketClosed
from sanic.response import BaseHTTPResponse, text

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http import badge, event_stream
from ratchet_server.http.bounded_protocol import BoundedProtocol
from ratchet_server.http.days import add_days
from ratchet_server.http.embedders import Embedders
from ratchet_server.http.errors import ApiError
from ratchet_server.http.gate import Gate
from ratchet_server.http.lists import add_lists, known_of
from ratchet_server.http.numbers import respond
from ratchet_server.http.room import Room
from ratchet_server.http.sites import Sites
from ratchet_server.http.today import Today
from ratchet_server.http.top import Top
from ratchet_server.http.videos import Videos
from ratchet_server.http.watchers import Message, Watchers

# How many videos one websocket or event stream may have.
MAX_WATCHED: Final = 100
# Bytes that may wait for one watcher. If more wait, the node aborts the watcher's connection.
MAX_BEHIND: Final = 256 * 1024
# The websocket close code "policy violation".
REFUSED: Final = 1008

# The ends of the paths that keep a connection for as long as somebody watches.
_WATCHES: Final = ("/live", "/events")


def reads(
    videos: Videos,
    top: Top,
    today: Today,
    keeper: Keeper,
    watchers: Watchers,
    embedders: Embedders,
    sites: Sites,
    gate: Gate,
    room: Room,
) -> Blueprint:
    """The calls. Until the node has caught up, it refuses them with 503."""
    blueprint = Blueprint("reads")

    @blueprint.on_request
    async def check(request: Request) -> None:
        # Check before the handshake: once a websocket is open, it is too late for a status code.
        if "upgrade" in request.headers:
            sites.may_watch(request)
        if "video" in request.match_info:
            videos.known(request.match_info["video"])
        gate.must_be_ready()
        if request.path.endswith(_WATCHES):
            _watched(request, request.match_info["video"], videos)
            room.for_a_watcher(request, len(watchers))

    async def share(request: Request, response: BaseHTTPResponse) -> None:
        response.headers.update(embedders.shared_with(request.headers.get("origin")))

    blueprint.middleware(share, "response")

    add_lists(blueprint, videos, top, today, keeper)
    add_days(blueprint, videos, keeper)

    @blueprint.get("/api/videos/<video:str>")
    async def value(request: Request, video: str) -> HTTPResponse:
        fields = {"video": videos.known(video), "views": keeper.value(video)}
        return respond(request, fields)

    @blueprint.get("/api/videos/<video:str>/snapshot")
    async def snapshot(_request: Request, video: str) -> HTTPResponse:
        message = watchers.message(videos.known(video), with_node=False)
        return text(message.text, content_type="application/json")

    @blueprint.get("/api/videos/<video:str>/views.svg")
    async def picture(request: Request, video: str) -> HTTPResponse:
        return badge.respond(request, keeper.value(videos.known(video)))

    @blueprint.get("/api/videos/<video:str>/events")
    async def events(request: Request, video: str) -> None:
        watched, with_node = _watched(request, video, videos), _with_node(request)
        # Only a video's newest snapshot waits for a slow client: it includes all older ones.
        newest: dict[str, Message] = {}
        ended = False
        wake = asyncio.Event()

        def watcher(message: Message | None) -> None:
            nonlocal ended
            if message is None:
                ended = True
            else:
                newest[message.video] = message
            wake.set()

        response = await event_stream.begin(request)
        if response is None:
            return
        watchers.add(watched, watcher, with_node=with_node)
        try:
            while not ended:
                await event_stream.wait(wake, response)
                while newest and not ended:
                    message = newest.pop(next(iter(newest)))
                    await response.send(f"data: {message.text}\n\n")
        finally:
            watchers.remove(watched, watcher, with_node=with_node)

    async def live(request: Request, socket: Websocket, video: str) -> None:
        watched, with_node = _watched(request, video, videos), _with_node(request)
        protocol = cast(BoundedProtocol, request.protocol)
        protocol.listens_only = True

        def watcher(message: Message | None) -> None:
            # Write straight to the transport: the frame is encoded once for all watchers, and no
            # task has to wait.
            transport = protocol.transport
            if message is None or transport is None or transport.is_closing():
                return
            if transport.get_write_buffer_size() > MAX_BEHIND:
                transport.abort()
                return
            transport.write(message.websocket_frame)

        watchers.add(watched, watcher, with_node=with_node)
        try:
            await socket.recv()
            await socket.close(REFUSED, "this websocket only sends, and accepts no messages")
        except WebsocketClosed:
            pass
        finally:
            watchers.remove(watched, watcher, with_node=with_node)

    blueprint.add_websocket_route(live, "/api/videos/<video:str>/live")
    return blueprint


def _watched(request: Request, video: str, videos: Videos) -> tuple[str, ...]:
    """The video in the path, and those in `also`. Raises `ApiError`."""
    also = request.args.getlist("also", [])
    if len(also) >= MAX_WATCHED:
        raise ApiError(400, "bad_also", f"One stream has at most {MAX_WATCHED} videos.")
    return (*dict.fromkeys([videos.known(video), *known_of(also, videos)]),)


def _with_node(request: Request) -> bool:
    return bool(request.args.get("with") == "node")
