"""A transport: a full mesh of websockets. Every node dials all others, and accepts all."""

import asyncio
import logging
from collections.abc import Collection, Mapping

from ratchet import codec
from ratchet.frames import Frame, Heartbeat, Hello
from ratchet.identity import Stranger

from ratchet_server.peering.addresses import Addresses, Dialled
from ratchet_server.peering.complaints import Complaints
from ratchet_server.peering.dialler import Dialler
from ratchet_server.peering.link import (
    POLICY_VIOLATION,
    Closed,
    Link,
    LinkError,
    Misunderstanding,
    NotYet,
    Socket,
)
from ratchet_server.peering.links import Links
from ratchet_server.peering.misunderstandings import Misunderstandings
from ratchet_server.peering.ports import Door, Inbox, Route
from ratchet_server.peering.strangers import Met, Strangers

_log = logging.getLogger(__name__)


class Mesh:
    """All connections of this node. `run` dials; `welcome` serves a connection that came in."""

    def __init__(self, me: Hello, addresses: Addresses, door: Door, *, secret: str | None) -> None:
        self._me = me
        self._door = door
        self._addresses = addresses
        self._links = Links()
        self._complaints = Complaints()
        self._strangers = Strangers()
        self._misunderstandings = Misunderstandings()
        self._dialler = Dialler(addresses, self._links, self._complaints, secret=secret)
        # None while `run` isn't running.
        self._inbox: Inbox | None = None
        self._welcomed: set[asyncio.Task[None]] = set()

    @property
    def dialled(self) -> list[Dialled]:
        """The addresses that this node dials."""
        return self._addresses.all

    @property
    def unanswered(self) -> list[Dialled]:
        """The addresses to which the operator has led this node, and where nobody has answered. A
        node that has dialled this one need not answer."""
        return [
            one
            for one in self.dialled
            if one.answer is None
            and one.process not in self._links
            and self._addresses.is_given(one)
        ]

    @property
    def strangers(self) -> list[Met]:
        """The processes of other clusters that have tried to connect, or were dialled, of late."""
        return self._strangers.recent()

    @property
    def is_open(self) -> bool:
        """Whether this node serves connections that come in."""
        return self._inbox is not None

    def misunderstood(self) -> Mapping[str, str]:
        """The peers with which each connection breaks off, and why."""
        return self._misunderstandings.recent()

    # -- a transport, see `ports.Transport` ----------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        self._inbox = inbox

        async def serve(socket: Socket, dialled: Dialled) -> None:
            await self._serve(inbox, socket, dialled.url, dialled)

        try:
            await self._dialler.run(serve)
        finally:
            self._inbox = None
            for task in self._welcomed:
                task.cancel()
            await asyncio.gather(*self._welcomed, return_exceptions=True)

    def send(self, frame: Frame, to: Collection[str]) -> None:
        texts: dict[int, str] = {}
        for process in to:
            if link := self._links.best(process):
                version = link.version
                if version not in texts:
                    texts[version] = codec.encode(frame, version)
                link.send(texts[version])

    def routes(self) -> Mapping[str, Route]:
        return self._links.by_process()

    def silent_s(self, process: str) -> float:
        return self._links.silent_s(process)

    def settled(self) -> bool:
        self._addresses.look(self._links)
        # With one connection, a node learns the addresses of all others.
        unsure = self._addresses.shared.open or not self._addresses.has_looked()
        if unsure and not self._links.by_process():
            return False
        return all(dialled.tried or dialled.process in self._links for dialled in self.dialled)

    def unmet(self, known: Collection[str]) -> int:
        return self._addresses.unmet(known)

    # -- connections ---------------------------------------------------------------------------

    async def welcome(self, socket: Socket, address: str, *, old: bool) -> None:
        """Serve a connection from `address` until it ends. `old`: see `Link.accept`. The caller has
        authorised it, and closes the socket afterwards. Raises `CancelledError` if `run` ends
        first."""
        if self._inbox is None:
            return
        # `run` may cancel this task when it ends. It must not cancel the caller's task.
        task = asyncio.create_task(self._serve(self._inbox, socket, address, None, old=old))
        self._welcomed.add(task)
        task.add_done_callback(self._welcomed.discard)
        try:
            await task
        except Closed:
            return

    async def _serve(
        self,
        inbox: Inbox,
        socket: Socket,
        address: str,
        dialled: Dialled | None,
        *,
        old: bool = False,
    ) -> None:
        link: Link | None = None
        try:
            if dialled:
                link = await Link.dial(
                    socket, self._door, given=lambda peer: self._is_given(dialled, peer)
                )
            else:
                link = await Link.accept(socket, self._door, old=old)
            self._admit(link, address, dialled)
            if self._is_awaited(link, dialled):
                await self._talk(inbox, link, dialled)
        except LinkError as error:
            loud = not isinstance(error, NotYet) and (
                link is not None or dialled is None or self._addresses.is_given(dialled)
            )
            if link and isinstance(error, Misunderstanding):
                self._misunderstandings.note(link.peer.node, str(error))
            who = f"{link.peer.node} at {address}" if link else address
            self._complaints.log(who, str(error), loud=loud)
            # A close frame has room for a reason of 123 bytes.
            reason = str(error).encode(errors="replace")[:120].decode(errors="ignore")
            await socket.close(POLICY_VIOLATION, reason)

    def _is_awaited(self, link: Link, dialled: Dialled | None) -> bool:
        """Whether this node should talk to the peer, on this connection."""
        process = link.peer.process
        if dialled is None:
            return process != self._me.process
        known = process in self._links
        is_first = dialled.url not in self._addresses.shared.urls
        if self._addresses.answered(dialled, link.peer, known=known):
            if dialled.again:
                return not known
            return self._links.find(process, dialled_only=True) is None
        if dialled.named:
            _log.debug("peer %s is %s, not %s", dialled.url, link.peer.node, dialled.node)
        elif dialled.url not in self._addresses.shared.urls:
            _log.info("peer %s is this node itself: not dialled again", dialled.url)
        elif is_first:
            _log.info(
                "peer %s is this node itself: dialled again, as other nodes may share the address",
                dialled.url,
            )
        return False

    def _admit(self, link: Link, address: str, dialled: Dialled | None) -> None:
        """Find out whether the peer is of our cluster. Raises `LinkError` if it isn't."""
        given = dialled is not None and self._is_given(dialled, link.peer)
        is_me = link.peer.process == self._me.process
        if not is_me and (why := self._door.admit(link.peer, given=given)):
            self._refuse(link, address, why)

    def _is_given(self, dialled: Dialled, peer: Hello) -> bool:
        """Whether the operator has led this node to the peer. An entry of a registry may be stale,
        and another node may be at its address."""
        return self._addresses.is_given(dialled) and (
            not dialled.named or dialled.node == peer.node
        )

    def _refuse(self, link: Link, address: str, why: Stranger) -> None:
        if why.may_change:
            raise NotYet(str(why))
        self._strangers.add(link.peer, address, why)
        raise LinkError(f"is of {why} (ratchet join)")

    async def _talk(self, inbox: Inbox, link: Link, dialled: Dialled | None) -> None:
        if dialled:
            dialled.tried = dialled.connected = True
        process = link.peer.process
        if self._links.add(link):
            _log.info("peer %s is connected", link.peer.node)
            inbox.joined(link.peer)
            # Look at once: by the next regular look, the process may be gone again.
            self._addresses.look(self._links)

        async def receive(frame: Frame) -> None:
            await inbox.receive(frame, process)
            if isinstance(frame, Heartbeat) and (why := self._door.stranger(process)):
                self._refuse(link, dialled.url if dialled else link.peer.url, why)

        try:
            await link.run(receive)
        finally:
            if dialled:
                dialled.connected = False
            link.ended.set()
            if self._links.remove(link):
                _log.info("peer %s is disconnected", link.peer.node)
                inbox.left(process)
