"""The clips that other nodes have: which there are, and how to get one.

An operator adds a clip node by node. Until all nodes have it, each request for it may reach a node
that lacks it. So each node knows the catalogues of the others: it counts views of their videos,
makes their pages, and passes their clips on.

A node asks each connected peer every few seconds. While nothing changes, the response is 304.
Rejected: to ask the peers when a request names an unknown video. Anybody could make a node send
requests to all others, with invented ids.
"""

import asyncio
import contextlib
import logging
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ratchet.names import Invalid

from ratchet_server.http.catalogue import Video
from ratchet_server.http.errors import NODE_HEADER, ApiError
from ratchet_server.http.shared_catalogue import MAX_TEXT, PATH, Shared, decoded
from ratchet_server.log_throttle import LogThrottle
from ratchet_server.peering.mesh import Mesh
from ratchet_server.peering.routes import Routes

if TYPE_CHECKING:
    import httpx

# How often a node asks each of its peers, and how soon it asks a new one.
ASK_S: Final = 2.0
LOOK_S: Final = 0.1
# How long a peer may take to send its catalogue.
ANSWER_S: Final = 5.0
# How many files a node gets from its peers at a time. Each takes some 200 KiB of memory.
MOST_AT_ONCE: Final = 32
# How long a peer may take until its response begins, and to send the next part of a file.
RESPOND_S: Final = 3.0
NEXT_PART_S: Final = 10.0
# How many bytes the kernel holds of what a peer sends.
_WINDOW: Final = 64 * 1024
# A request of a node to another node has this in `Via`. Nobody passes it on again.
MARK: Final = "ratchet-node"
# Responses that are worth passing on. With any other, the next node is asked.
_USEFUL: Final = {200, 206, 304, 416}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    """The last catalogue of one node."""

    etag: str
    videos: Mapping[str, Video] = field(compare=False)


class Elsewhere:
    """The catalogues of the other nodes. `run` is the task that asks for them.

    The catalogue of a node that is away stays, because views of its videos count all the same. It
    goes when the node has left or was retired, or with this process.
    """

    def __init__(
        self,
        name: str,
        own: Shared,
        connected: Callable[[], Mapping[str, Sequence[str]]],
        is_gone: Callable[[str], bool],
    ) -> None:
        """`name`: this node's. `connected`: the URLs of each connected node, by name: see
        `urls_of_connected`. `is_gone`: whether the node of a name has left or was retired."""
        self._name = name
        self._own = own
        self._connected = connected
        self._is_gone = is_gone
        self._known: dict[str, _Known] = {}
        # At which of its URLs each node has answered last.
        self._reached: dict[str, str] = {}
        # The nodes that were asked since they connected, and when all were asked last.
        self._asked: set[str] = set()
        self._asked_at = 0.0
        self._http: httpx.AsyncClient | None = None
        self._fetching = 0
        self._complaints = LogThrottle()
        # By id, in the order of the ids. If several nodes have a video, one of them describes it.
        self.videos: Mapping[str, Video] = {}

    def settled(self) -> bool:
        """Whether each connected node was asked, and has answered or failed to."""
        return self._others().keys() <= self._asked

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            others = self._others()
            self._asked &= others.keys()
            is_due = time.monotonic() - self._asked_at > ASK_S
            if others and (is_due or others.keys() - self._asked):
                self._asked_at = time.monotonic()
                await self._ask_all(others)
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Close the connections to other nodes. Files that they are sending break off."""
        if self._http:
            await self._http.aclose()

    @contextlib.asynccontextmanager
    async def fetch(
        self, method: str, file: str, headers: Mapping[bytes, bytes]
    ) -> AsyncIterator["httpx.Response"]:
        """The response of a node that has this file. Its body is still to be read. Raises
        `ApiError`: 404 if no node has the file, 503 if those that have it don't respond."""
        holders = self._holders(file)
        if not holders:
            raise ApiError(404, "not_found", "There is no such clip; /api/videos lists the videos.")
        if self._fetching >= MOST_AT_ONCE:
            message = f"This node gets {MOST_AT_ONCE} files from other nodes already; try again."
            raise ApiError(503, "busy", message, retry_after_s=1)
        others = self._others()
        here = [node for node in others if node in holders]
        # In random order, so that no holder gets all requests.
        urls = [url for node in random.sample(here, len(here)) for url in others[node]]
        self._fetching += 1
        try:
            async with contextlib.AsyncExitStack() as stack:
                for url in urls:
                    response = await self._send(stack, method, f"{url}/media/{file}", headers)
                    if response and response.status_code in _USEFUL:
                        yield response
                        return
                    if response:
                        await response.aclose()
        finally:
            self._fetching -= 1
        message = (
            f"The nodes with this clip do not respond: {', '.join(sorted(holders))}; try again."
        )
        raise ApiError(503, "clip_away", message, retry_after_s=2)

    def _others(self) -> dict[str, list[str]]:
        """The URLs of each other node, the most promising first."""
        return {
            node: sorted(urls, key=lambda url: url != self._reached.get(node))
            for node, urls in self._connected().items()
            if node != self._name
        }

    def _holders(self, file: str) -> set[str]:
        return {
            node
            for node, known in self._known.items()
            if (video := known.videos.get(file.rpartition(".")[0])) and file in video.files
        }

    async def _send(
        self,
        stack: contextlib.AsyncExitStack,
        method: str,
        url: str,
        headers: Mapping[bytes, bytes],
    ) -> "httpx.Response | None":
        """The response; None if there is none. `stack` closes it."""
        import httpx

        assert self._http, "without a client, nobody's files are known"
        marked = {**headers, b"Via": f"1.1 {MARK}".encode()}
        try:
            async with asyncio.timeout(RESPOND_S):
                stream = self._http.stream(method, url, headers=marked)
                return await stack.enter_async_context(stream)
        # (With uvloop, a connection that is reset as it opens has no socket any more, on which
        # httpcore could set our `socket_options`: hence the AttributeError.)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, AttributeError) as error:
            _log.debug("%s: %r", url, error)
            return None

    # -- asking for catalogues -------------------------------------------------------------------

    async def _ask_all(self, others: Mapping[str, Sequence[str]]) -> None:
        if self._http is None:
            # Not at the start: a node without peers needs no HTTP client, and to import one takes
            # long. And not in the event loop, which would stand still.
            self._http = await asyncio.to_thread(_new_client)
        before = {**self._known}
        await asyncio.gather(*(self._ask(node, urls) for node, urls in others.items()))
        self._asked |= others.keys()
        for node in self._known.keys() - others.keys():
            if self._is_gone(node):
                del self._known[node]
                self._reached.pop(node, None)
        if self._known != before:
            # Most nodes have the same videos.
            distinct = {known.etag: known.videos for known in self._known.values()}
            merged = {each: video for videos in distinct.values() for each, video in videos.items()}
            self.videos = dict(sorted(merged.items()))

    async def _ask(self, node: str, urls: Iterable[str]) -> None:
        # The node's last catalogue, and those of other nodes that it may have now, too.
        known = {each.etag: each.videos for each in self._known.values()}
        own = self._own.encoded
        known[own.etag] = own.videos
        headers = {b"If-None-Match": ", ".join(known).encode()}
        try:
            async with asyncio.timeout(ANSWER_S), contextlib.AsyncExitStack() as stack:
                for url in urls:
                    response = await self._send(stack, "GET", url + PATH, headers)
                    # Another node may be at the address by now, or one of an older version.
                    if response and response.headers.get(NODE_HEADER) == node:
                        self._reached[node] = url
                        break
                else:
                    return
                etag = response.headers.get("ETag", "")
                if response.status_code == 304 and etag in known:
                    self._known[node] = _Known(etag, known[etag])
                elif response.status_code == 200:
                    text = await _text(response)
                    self._known[node] = _Known(etag, await asyncio.to_thread(decoded, text))
        except (TimeoutError, Invalid, ConnectionError) as error:
            if self._complaints.due((node, str(error))):
                reason = str(error) or "no response in time"
                _log.warning("can't read which videos node %s has: %s", node, reason)


def urls_of_connected(routes: Routes, mesh: Mesh) -> dict[str, list[str]]:
    """The URLs at which each connected node may be, by its name."""
    dialled = {each.process: each.url for each in mesh.dialled if each.connected}
    return {
        # The address that was dialled may lead to several nodes in turns. And the one that the node
        # has sent may not lead there from here.
        route.peer.node: [
            url.rstrip("/")
            for url in dict.fromkeys((dialled.get(process, ""), route.peer.url))
            if url
        ]
        for process, route in routes.by_process().items()
    }


def _new_client() -> "httpx.AsyncClient":
    import httpx

    transport = httpx.AsyncHTTPTransport(
        # `MOST_AT_ONCE` bounds the requests.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        # Trust this machine's certificate authorities, as `ratchet status` does.
        verify=ssl.create_default_context(),
        # Bound what a fast peer sends before a slow client has taken it: the event loop reads all
        # that the kernel has.
        socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)],
    )
    return httpx.AsyncClient(
        # No proxy from the environment applies to this transport.
        transport=transport,
        timeout=NEXT_PART_S,
        # Clips must arrive as the peer has them, byte by byte.
        headers={"Accept-Encoding": "identity"},
    )


async def _text(response: "httpx.Response") -> str:
    """The body. Raises `Invalid`."""
    import httpx

    body = bytearray()
    try:
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_TEXT:
                raise Invalid(f"its catalogue is larger than {MAX_TEXT} bytes")
        return body.decode()
    except (httpx.HTTPError, UnicodeDecodeError) as error:
        raise Invalid(str(error) or type(error).__name__) from None
