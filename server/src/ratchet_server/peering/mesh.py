"""Replication over a full mesh: every node dials every other that it knows, and welcomes all.

Two nodes that dial each other have two connections. Each sends on the one that it dialled, and on
the other's only while its own is down; so nothing is sent twice, and nobody has to agree on which
of the two to keep.
"""

import asyncio
import logging
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Protocol

import websockets
from ratchet import codec
from ratchet.frames import Frame, Hello, Send
from ratchet.replica import HEARTBEAT_S
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from ratchet_server.crash_points import reached
from ratchet_server.log_throttle import LogThrottle
from ratchet_server.peering.addresses import Addresses, Dialled
from ratchet_server.peering.link import Closed, Link, LinkError, Socket

# How long to wait before dialling again: doubled at each failure, and spread by chance, so that a
# node that comes back isn't met by all others in one moment.
BACKOFF_S: Final = (0.1, 3.0)
OPEN_TIMEOUT_S: Final = 5.0
# How soon an address is dialled that others tell of.
LOOK_S: Final = 0.25
POLICY_VIOLATION: Final = 1008
# The status of a peer that is there and still reads its data.
NOT_YET: Final = 503

_log = logging.getLogger(__name__)


class Inbox(Protocol):
    """Where what peers do arrives: the task that owns the replica."""

    async def receive(self, frame: Frame, process: str) -> None:
        """Returns when the frame is merged."""

    def joined(self, hello: Hello) -> None:
        """A process is connected that wasn't."""

    def left(self, process: str) -> None:
        """The last connection to a process is down."""


class Mesh:
    """All connections of this node. `run` dials; `welcome` serves a connection that came in."""

    def __init__(
        self,
        me: Hello,
        addresses: Addresses,
        inbox: Inbox,
        *,
        secret: str | None,
    ) -> None:
        self._me = me
        self._addresses = addresses
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._inbox = inbox
        self._links: dict[str, list[Link]] = {}
        self._complaints = LogThrottle()

    @property
    def dialled(self) -> list[Dialled]:
        """The addresses that this node dials, given and learned."""
        return self._addresses.all

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

    def tried(self) -> bool:
        """Whether everybody who could be reached has been: for a node that starts."""
        self._addresses.look(self._links)
        return all(dialled.tried or dialled.process in self._links for dialled in self.dialled)

    def unmet(self, known: Iterable[str]) -> int:
        """At how many given addresses there may be a node of which nobody has heard. (One that
        doesn't answer now may be any of the `known` names that answered nowhere.)"""
        given = [dialled for dialled in self.dialled if dialled.given]
        away = {*known} - {dialled.node for dialled in given} - {self._me.node}
        return max(0, sum(dialled.node is None for dialled in given) - len(away))

    async def run(self) -> None:
        """Dial every peer and dial again whenever a connection ends, until cancelled."""
        tasks: dict[Dialled, asyncio.Task[None]] = {}
        try:
            while True:
                self._addresses.look(self._links)
                current = self.dialled
                for dialled in current:
                    if dialled not in tasks:
                        tasks[dialled] = asyncio.create_task(self._keep_dialling(dialled))
                for dialled in tasks.keys() - {*current}:
                    task = tasks.pop(dialled)
                    task.cancel()
                    await asyncio.wait((task,))
                for task in tasks.values():
                    if task.done():
                        task.result()
                await asyncio.sleep(LOOK_S)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def welcome(self, socket: Socket, address: str) -> None:
        """Serve a connection that came in from `address` (and was let in) to its end."""
        with suppress(Closed):
            await self._serve(socket, address, None)

    async def _keep_dialling(self, dialled: Dialled) -> None:
        url = dialled.url.replace("http", "ws", 1) + "/peer"
        clock = asyncio.get_running_loop().time
        pause_s = BACKOFF_S[0]
        while True:
            await self._until_needed(dialled)
            began = clock()
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
                    reached("peer-dialled")
                    await self._serve(socket, dialled.url, dialled)
            except InvalidStatus as error:
                status = error.response.status_code
                not_yet = status == NOT_YET
                if not not_yet:
                    what = f"refused us: {status} (the same secret?)"
                    self._complain(dialled.url, what, loud=dialled.given)
            except (OSError, ValueError, WebSocketException, TimeoutError) as error:
                _log.debug("peer %s: %s", dialled.url, error or type(error).__name__)
            if self.is_self(dialled):
                _log.info("peer %s is this node itself: not dialled again", dialled.url)
                dialled.tried = True
                return
            if dialled not in self.dialled:
                return
            # What a peer has that is about to speak is worth waiting for.
            dialled.tried |= not not_yet
            if clock() - began > BACKOFF_S[1]:
                pause_s = BACKOFF_S[0]
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, BACKOFF_S[1])

    async def _until_needed(self, dialled: Dialled) -> None:
        """Wait while the process at this address is connected in another way.

        One connection that we dialled is enough. To a node that we were not even given, any is.
        """
        while link := self._link_to(dialled.process, dialled_only=dialled.given):
            await link.ended.wait()

    def _link_to(self, process: str | None, *, dialled_only: bool) -> Link | None:
        links = self._links.get(process or "", ())
        return next((link for link in links if link.dialled or not dialled_only), None)

    async def _serve(self, socket: Socket, address: str, dialled: Dialled | None) -> None:
        link: Link | None = None
        try:
            link = await Link.shake_hands(socket, self._me, dialled=dialled is not None)
            if dialled is None or self._is_awaited(link, dialled):
                await self._talk(link, dialled)
        except LinkError as error:
            # An address that others have told of may be anything, as long as no node answers there.
            loud = link is not None or dialled is None or dialled.given
            who = f"{link.peer.node} at {address}" if link else address
            self._complain(who, str(error), loud=loud)
            # A reason has room for 123 bytes.
            reason = str(error).encode(errors="replace")[:120].decode(errors="ignore")
            await socket.close(POLICY_VIOLATION, reason)

    def _is_awaited(self, link: Link, dialled: Dialled) -> bool:
        """Whether the one who answered is one to talk to, on this connection."""
        node, process, url = link.peer.node, link.peer.process, link.peer.url
        if not dialled.given and (node != dialled.node or process == self._me.process):
            _log.debug("peer %s is %s, not %s", dialled.url, node, dialled.node)
            self._addresses.refute(dialled)
            return False
        dialled.node, dialled.process, dialled.said_url = node, process, url
        return self._link_to(process, dialled_only=True) is None

    async def _talk(self, link: Link, dialled: Dialled | None) -> None:
        if link.peer.process == self._me.process:
            return
        if dialled:
            dialled.tried = dialled.connected = True
        self._add(link)
        # Not a TaskGroup: before Python 3.13 it forgets a cancellation that comes together with
        # a child's error, and the dialling goes on for ever in a node that is told to stop.
        ways = [asyncio.create_task(link.write()), asyncio.create_task(self._read(link))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if dialled:
                dialled.connected = False
            self._remove(link)
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            if isinstance(end, ConnectionClosed) and end.rcvd and end.rcvd.code == POLICY_VIOLATION:
                raise LinkError(f"does not understand us: {end.rcvd.reason}")
            # A closed connection is the usual end; whoever dialled it dials again.
            if isinstance(end, Exception) and not isinstance(end, WebSocketException | Closed):
                raise end

    async def _read(self, link: Link) -> None:
        while True:
            await self._inbox.receive(await link.read(), link.peer.process)

    def _add(self, link: Link) -> None:
        links = self._links.setdefault(link.peer.process, [])
        links.append(link)
        if len(links) == 1:
            _log.info("peer %s is connected", link.peer.node)
            self._inbox.joined(link.peer)
            # At once: it may be gone before the next look, and would be forgotten.
            self._addresses.look(self._links)

    def _remove(self, link: Link) -> None:
        link.ended.set()
        links = self._links[link.peer.process]
        links.remove(link)
        if not links:
            del self._links[link.peer.process]
            _log.info("peer %s is disconnected", link.peer.node)
            self._inbox.left(link.peer.process)

    def _complain(self, who: str, what: str, *, loud: bool = True) -> None:
        if not loud:
            _log.debug("peer %s %s", who, what)
        elif self._complaints.due((who, what)):
            _log.warning("peer %s %s", who, what)


def _best(links: list[Link]) -> Link:
    return next((link for link in links if link.dialled), links[0])
