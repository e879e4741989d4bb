"""The contract's HTTP and websocket calls about videos and about this node."""

import asyncio
import re
from typing import Final, cast

from ratchet import names
from sanic import Blueprint, HTTPResponse, Request, Websocket
from sanic.exceptions import WebsocketClosed
from sanic.response import BaseHTTPResponse, json, text

from ratchet_server.http import badge, retirement
from ratchet_server.http.bounded_protocol import BoundedProtocol
from ratchet_server.http.errors import ApiError
from ratchet_server.http.parts import Parts
from ratchet_server.http.watchers import Message
from ratchet_server.settings import ACKS, MEMORY, Ack

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1000
# What may wait for one watcher, in bytes, before it is cut off.
MAX_BEHIND: Final = 256 * 1024
# A comment now and then, so that nobody on the way takes a quiet event stream for a dead one.
KEEPALIVE_S: Final = 15.0
REFUSED: Final = 1008

_ACK_BY_QUERY: Final = {f"ack={ack}": ack for ack in ACKS}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")


def views(parts: Parts) -> Blueprint:
    """Counting."""
    blueprint = Blueprint("views")

    @blueprint.post("/api/videos/<video:str>/views")
    async def count(request: Request, video: str) -> HTTPResponse:
        video = parts.video(video)
        parts.last_answer(request)
        ack, key = _ack(request, parts.settings.ack), _key(request)
        answer = await parts.keeper.count(video, key, ack)
        # The hottest line of a node: written out, it costs half of what json() does. An id needs
        # no escaping.
        counted = "true" if answer.counted else "false"
        body = f'{{"video":"{video}","views":{answer.views},"counted":{counted}}}'
        return HTTPResponse(body, content_type="application/json")

    return blueprint


def reads(parts: Parts) -> Blueprint:
    """Showing. Refused with 503 until the node has caught up."""
    blueprint = Blueprint("reads")

    @blueprint.on_request
    async def check(request: Request) -> None:
        # Before the handshake: once a websocket is open there is no status left to answer with.
        if "upgrade" in request.headers:
            parts.guard.same_origin(request)
        if "video" in request.match_info:
            parts.video(request.match_info["video"])
        parts.must_be_ready()

    async def share(request: Request, response: BaseHTTPResponse) -> None:
        response.headers.update(parts.embedders.shared_with(request.headers.get("origin")))

    blueprint.middleware(share, "response")

    @blueprint.get("/api/videos")
    async def videos(request: Request) -> HTTPResponse:
        limit, after = _limit(request), _after(request)
        page: list[dict[str, object]] = []
        for video in parts.videos(after):
            if len(page) == limit:
                return json({"videos": page, "next": page[-1]["video"]})
            entry: dict[str, object] = {"video": video, "views": parts.keeper.value(video)}
            if shown := parts.catalogue.get(video):
                entry |= {"title": shown.title, "description": shown.description}
            page.append(entry)
        return json({"videos": page, "next": None})

    @blueprint.get("/api/videos/<video:str>")
    async def value(_request: Request, video: str) -> HTTPResponse:
        return json({"video": parts.video(video), "views": parts.keeper.value(video)})

    @blueprint.get("/api/videos/<video:str>/snapshot")
    async def snapshot(_request: Request, video: str) -> HTTPResponse:
        message = parts.watchers.message(parts.video(video), with_node=False)
        return text(message.text, content_type="application/json")

    @blueprint.get("/api/videos/<video:str>/views.svg")
    async def picture(request: Request, video: str) -> HTTPResponse:
        return badge.answer(request, parts.keeper.value(parts.video(video)))

    @blueprint.get("/api/videos/<video:str>/events")
    async def events(request: Request, video: str) -> None:
        video, with_node = parts.video(video), _with_node(request)
        # Only the newest snapshot waits for a slow reader: it says all that the older ones did.
        newest: asyncio.Queue[Message | None] = asyncio.Queue(1)

        def watcher(message: Message | None) -> None:
            if newest.full():
                newest.get_nowait()
            newest.put_nowait(message)

        response = await request.respond(
            content_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )
        parts.watchers.add(video, watcher, with_node=with_node)
        try:
            while True:
                try:
                    async with asyncio.timeout(KEEPALIVE_S):
                        message = await newest.get()
                except TimeoutError:
                    await response.send(": still here\n\n")
                else:
                    if message is None:
                        return
                    await response.send(f"data: {message.text}\n\n")
        finally:
            parts.watchers.remove(video, watcher, with_node=with_node)

    async def live(request: Request, socket: Websocket, video: str) -> None:
        with_node = _with_node(request)
        protocol = cast(BoundedProtocol, request.protocol)
        protocol.listens_only = True

        def watcher(message: Message | None) -> None:
            # Straight to the transport: the frame is encoded once for all, and nobody waits.
            transport = protocol.transport
            if message is None or transport is None or transport.is_closing():
                return
            if transport.get_write_buffer_size() > MAX_BEHIND:
                transport.abort()
                return
            transport.write(message.websocket_frame)

        parts.watchers.add(video, watcher, with_node=with_node)
        try:
            await socket.recv()
            await socket.close(REFUSED, "this connection only tells; it takes no messages")
        except WebsocketClosed:
            pass
        finally:
            parts.watchers.remove(video, watcher, with_node=with_node)

    blueprint.add_websocket_route(live, "/api/videos/<video:str>/live")
    return blueprint


def node(parts: Parts) -> Blueprint:
    """This node: what it knows, how it is, and what operators may tell it."""
    blueprint = Blueprint("node")
    replica = parts.keeper.replica

    @blueprint.get("/api/node")
    async def state(_request: Request) -> HTTPResponse:
        rare: dict[str, object] = {}
        # Only where there is something to say: the other fields are the contract's.
        if superseded := replica.superseded():
            rare["superseded"] = superseded
        if reopened := parts.keeper.notices["reopened"]:
            rare["reopened"] = reopened
        if left_behind := parts.departure.left_behind:
            rare["left_behind"] = left_behind
            rare["stored"] = parts.settings.data != MEMORY
        return json(
            {
                "node": replica.node,
                "generation": replica.slot.generation if replica.slot else None,
                "ready": parts.readiness.ready and parts.state == "serving",
                "draining": parts.departure.asked.is_set(),
                "peers": peers(parts),
                "known": replica.heard,
                "closed": replica.closed,
                "folded": replica.folded,
                "digest": replica.fingerprint(),
            }
            | rare
        )

    async def healthy(_request: Request) -> HTTPResponse:
        return json({"node": replica.node, "alive": True})

    async def ready(request: Request) -> HTTPResponse:
        # What comes through a balancer is somebody else's question.
        if "via" not in request.headers:
            parts.departure.probe()
        if not parts.departure.stays or parts.keeper.superseded.is_set():
            message = "This node is stopping: send nothing here any more."
            raise ApiError(503, "draining", message)
        parts.must_be_ready()
        return json({"node": replica.node, "ready": True})

    # Some monitors ask with HEAD.
    blueprint.add_route(healthy, "/healthz", methods=["GET", "HEAD"])
    blueprint.add_route(ready, "/readyz", methods=["GET", "HEAD"])
    return blueprint


def operators(parts: Parts) -> Blueprint:
    """What operators may tell a node, and the cluster through it."""
    blueprint = Blueprint("operators")
    name = parts.settings.name

    @blueprint.on_request
    async def only_operators(request: Request) -> None:
        parts.guard.operator(request)

    @blueprint.post("/api/node/drain")
    async def drain(_request: Request) -> HTTPResponse:
        parts.departure.ask()
        return json({"node": name, "draining": True})

    @blueprint.post("/api/node/leave")
    async def leave(_request: Request) -> HTTPResponse:
        parts.departure.ask(leave=True)
        return json({"node": name, "leaving": True})

    @blueprint.post("/api/cluster/retire")
    async def retire(request: Request) -> HTTPResponse:
        return json(await retirement.retire(parts.keeper, request.body))

    return blueprint


def peers(parts: Parts) -> list[dict[str, object]]:
    """Every peer that was given or has come: who, where, and by how many changes it is behind."""
    replica, links = parts.keeper.replica, parts.mesh.links()
    listed: dict[str, dict[str, object]] = {
        process: {
            "node": link.peer.node,
            "url": link.peer.url,
            "connected": True,
            "behind": replica.behind(process),
        }
        for process, link in links.items()
    }
    for dialled in parts.mesh.dialled:
        if dialled.process in listed:
            listed[dialled.process]["url"] = dialled.url
        elif not parts.mesh.is_self(dialled):
            listed[dialled.url] = {
                "node": dialled.node,
                "url": dialled.url,
                "connected": False,
                "behind": None,
            }
    return list(listed.values())


def _ack(request: Request, default: Ack) -> Ack:
    query = request.query_string
    # Parsing a query costs as much as counting a view; nearly always it is none, or one of these.
    ack = _ACK_BY_QUERY.get(query) or request.args.get("ack", default) if query else default
    if ack not in ACKS:
        raise ApiError(400, "bad_ack", "ack is memory, disk or peers.")
    return cast(Ack, ack)


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    key = key.lower()
    if not _UUID.fullmatch(key):
        raise ApiError(400, "bad_key", "An Idempotency-Key is a UUID: one new UUID for each view.")
    return cast(str, key)


def _limit(request: Request) -> int:
    given = request.args.get("limit", str(DEFAULT_LIMIT))
    if _DIGITS.fullmatch(given) and 1 <= int(given) <= MAX_LIMIT:
        return int(given)
    raise ApiError(400, "bad_limit", f"limit is a whole number from 1 to {MAX_LIMIT}.")


def _after(request: Request) -> str:
    after = cast(str, request.args.get("after", ""))
    try:
        return names.video(after) if after else ""
    except names.Invalid as error:
        raise ApiError(
            400, "bad_after", f"after is the `next` of a page before: {error}."
        ) from None


def _with_node(request: Request) -> bool:
    return bool(request.args.get("with") == "node")
