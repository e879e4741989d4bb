"""Replication over a full mesh: every node dials every peer it was given, and welcomes all others.

Two nodes that dial each other have two connections. Each sends on the one that it dialled, and on
the other's only while its own is down; so nothing is sent twice, and nobody has to agree on which
of the two to keep.
"""

import asyncio
import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import websockets
from ratchet import codec
from ratchet.frames import Frame, Hello
from ratchet.replica import HEARTBEAT_S, Send
from sanic.exceptions import WebsocketClosed
from websockets.exceptions import InvalidStatus, WebSocketException

from ratchet_server.link import Link, LinkError, Socket

# How long to wait before dialling again: doubled at each failure, and spread by chance, so that a
# node that comes back isn't met by all others in one moment.
BACKOFF_S: Final = (0.1, 3.0)
OPEN_TIMEOUT_S: Final = 5.0
POLICY_VIOLATION: Final = 1008
# The status of a peer that is there and still reads its data.
NOT_YET: Final = 503

_log = logging.getLogger(__name__)


class Keeper(Protocol):
    """What the mesh needs of the task that owns the replica."""

    async def receive(self, frame: Frame, process: str) -> None:
        """Returns when the frame is merged."""

    def joined(self, process: str, node: str) -> None:
        """A process is connected that wasn't."""

    def left(self, process: str) -> None:
        """The last connection to a process is down."""


@dataclass
class Dialled:
    """An address that this node dials, and how it goes."""

    url: str
    # Who answered last, even if the connection is down again.
    node: str | None = None
    process: str | None = None
    # Whether the first attempt has come to an end, one way or the other.
    tried: bool = False


class Mesh:
    """All connections of this node. `run` dials; `welcome` serves a connection that came in."""

    def __init__(
        self, me: Hello, urls: Iterable[str], *, secret: str | None, keeper: Keeper
    ) -> None:
        self.dialled = [Dialled(url) for url in dict.fromkeys(urls)]
        self._me = me
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._keeper = keeper
        self._links: dict[str, list[Link]] = {}

    def links(self) -> dict[str, Link]:
        """The connection on which each connected process is sent to."""
        return {process: _best(links) for process, links in self._links.items()}

    def is_self(self, dialled: Dialled) -> bool:
        """Whether this address turned out to be this very process."""
        return dialled.process == self._me.process

    def send(self, sends: Iterable[Send]) -> None:
        """Queue frames for their peers; each is encoded once. Best effort."""
        for to, frame in sends:
            links = self._links.values() if to is None else filter(None, [self._links.get(to)])
            text = codec.encode(frame)
            for group in links:
                _best(group).send(text)

    async def run(self) -> None:
        """Dial every peer and dial again whenever a connection ends, until cancelled."""
        await asyncio.gather(*(self._keep_dialling(dialled) for dialled in self.dialled))

    async def welcome(self, socket: Socket) -> None:
        """Serve a connection that came in (and was let in) to its end."""
        try:
            await self._serve(socket, None)
        except LinkError as error:
            _log.warning("a peer %s", error)
            # A reason has room for 123 bytes.
            reason = str(error).encode(errors="replace")[:120].decode(errors="ignore")
            await socket.close(POLICY_VIOLATION, reason)

    async def _keep_dialling(self, dialled: Dialled) -> None:
        url = dialled.url.rstrip("/").replace("http", "ws", 1) + "/peer"
        pause_s = BACKOFF_S[0]
        while True:
            not_yet = False
            try:
                async with websockets.connect(
                    url,
                    additional_headers=self._headers,
                    # No proxy from the environment stands between nodes; no compression, whose
                    # memory a peer could exhaust; a dead connection is noticed by its pings.
                    proxy=None,
                    compression=None,
                    max_size=codec.MAX_TEXT,
                    open_timeout=OPEN_TIMEOUT_S,
                    ping_interval=HEARTBEAT_S,
                    ping_timeout=3 * HEARTBEAT_S,
                    close_timeout=HEARTBEAT_S,
                ) as socket:
                    pause_s = BACKOFF_S[0]
                    await self._serve(socket, dialled)
            except LinkError as error:
                _log.warning("peer %s %s", dialled.url, error)
            except InvalidStatus as error:
                status = error.response.status_code
                not_yet = status == NOT_YET
                if not not_yet:
                    _log.warning("peer %s refused us: %d (the same secret?)", dialled.url, status)
            except (OSError, ValueError, WebSocketException, TimeoutError) as error:
                _log.debug("peer %s: %s", dialled.url, error or type(error).__name__)
            if self.is_self(dialled):
                _log.info("peer %s is this node itself: not dialled again", dialled.url)
                dialled.tried = True
                return
            # What a peer has that is about to speak is worth waiting for.
            dialled.tried |= not not_yet
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, BACKOFF_S[1])

    async def _serve(self, socket: Socket, dialled: Dialled | None) -> None:
        link = await Link.shake_hands(socket, self._me, dialled=dialled is not None)
        process = link.peer.process
        if dialled:
            dialled.node, dialled.process = link.peer.node, process
        if process == self._me.process:
            return
        self._add(link)
        if dialled:
            dialled.tried = True
        # Not a TaskGroup: before Python 3.13 it forgets a cancellation that comes together with
        # a child's error, and the dialling goes on for ever in a node that is told to stop.
        ways = [asyncio.create_task(link.write()), asyncio.create_task(self._read(link))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._remove(link)
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            # A closed connection is the usual end; whoever dialled it dials again.
            if isinstance(end, Exception) and not isinstance(
                end, WebSocketException | WebsocketClosed
            ):
                raise end

    async def _read(self, link: Link) -> None:
        while True:
            await self._keeper.receive(await link.read(), link.peer.process)

    def _add(self, link: Link) -> None:
        links = self._links.setdefault(link.peer.process, [])
        links.append(link)
        if len(links) == 1:
            _log.info("peer %s is connected", link.peer.node)
            self._keeper.joined(link.peer.process, link.peer.node)

    def _remove(self, link: Link) -> None:
        links = self._links[link.peer.process]
        links.remove(link)
        if not links:
            del self._links[link.peer.process]
            _log.info("peer %s is disconnected", link.peer.node)
            self._keeper.left(link.peer.process)


def _best(links: list[Link]) -> Link:
    return next((link for link in links if link.dialled), links[0])
