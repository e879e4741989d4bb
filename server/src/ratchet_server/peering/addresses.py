"""Which addresses to dial: those that discoveries see, for as long as each is worth dialling.

A node needs one address of a cluster. It connects there, and learns which other processes are
alive, and where. It dials them, and they dial it. It dials an address while a discovery sees it,
and longer: until the address's node has moved or is no longer a member. So a cluster reunites in
whatever order its nodes restart. And if a discovery finds no address for once, none is dropped.
"""

from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from ratchet.frames import Hello

from ratchet_server.peering.ports import Address, Discovery
from ratchet_server.peering.shared import Shared
from ratchet_server.settings import SettingError, check_url

# The largest number of addresses that only peers report. A full mesh makes no sense at this size.
MOST: Final = 256
# For how long a node takes an address that its node does not advertise for a shared one.
SHARED_S: Final = 600.0


@dataclass(eq=False)
class Dialled:
    """An address that this node dials, and the result so far."""

    address: Address
    # The last hello from this address, even if the connection is down again.
    answer: Hello | None = None
    # Whether the first attempt has succeeded or failed.
    tried: bool = False
    # The HTTP status with which the peer refused the last attempt. None if it did not refuse.
    refused: int | None = None
    # Whether the last response was that the peer is still starting.
    unready: bool = False
    # Whether a connection that was dialled at this address is up.
    connected: bool = False
    # Whether this is one ask at a shared address: see `shared`.
    again: bool = False

    @property
    def url(self) -> str:
        """The URL that is dialled."""
        return self.address.url

    @property
    def named(self) -> bool:
        """Whether the discovery names the node at this address."""
        return self.address.node is not None

    @property
    def node(self) -> str | None:
        """The node that answered last; before that, the one that the discovery names."""
        return self.answer.node if self.answer else self.address.node

    @property
    def process(self) -> str | None:
        """The process that answered last; before that, the one that the discovery names."""
        return self.answer.process if self.answer else self.address.process

    @property
    def hello_url(self) -> str | None:
        """The URL in the last hello. Behind a relay it differs from `url`."""
        return self.answer.url if self.answer else None


class Addresses:
    """All addresses that this node dials.

    `look` adds and drops addresses; `answered` notes which process is at one.
    """

    def __init__(
        self, me: Hello, discoveries: Sequence[Discovery], gone: Callable[[str], bool]
    ) -> None:
        """`gone`: whether a name's slots are all closed. If two discoveries see one address, the
        first counts."""
        self._me = me
        self._discoveries = discoveries
        self._gone = gone
        self._dialled: dict[str, Dialled] = {}
        # Addresses where this very process has answered.
        self._own: set[str] = set()
        # Pairs of a process and an address where it turned out not to be.
        self._refuted: set[tuple[str | None, str]] = set()
        self._shared = Shared()
        self.look(())

    @property
    def all(self) -> list[Dialled]:
        """The addresses to be dialled now."""
        return [*self._dialled.values()]

    @property
    def shared(self) -> Shared:
        """The addresses at which to ask again, because they may lead to several nodes."""
        return self._shared

    def is_expected(self, dialled: Dialled) -> bool:
        """Whether a node of this cluster is surely at this address."""
        return dialled.url in self._expected()

    def unmet(self, known: Collection[str]) -> int:
        """How many expected addresses may have a node that is unknown here.

        An address that has not answered may belong to any of the `known` names that have not
        answered at another address. So each of these names accounts for one address. But it does
        not account for a shared address: there may be any number of nodes.
        """
        urls = self._expected()
        expected = [dialled for dialled in self.all if dialled.url in urls]
        answered = {dialled.answer.node for dialled in expected if dialled.answer}
        away = {*known} - answered - {self._me.node}
        unanswered = max(0, sum(not dialled.answer for dialled in expected) - len(away))
        return unanswered + len(self._shared.open & urls)

    def unfound(self, has_found: Callable[[str], bool], up_s: float) -> int:
        """At how many expected addresses this node has not found its cluster yet. `has_found`: see
        `ratchet.identity`. `up_s`: for how many seconds this node has been up.

        If another address than this one is in the hello, this one may lead to several nodes, one
        after the other. So find out for a while where else it leads.
        """
        expected = self._expected()
        found = 0
        for url in expected:
            dialled = self._dialled.get(url)
            hello = self._me if url in self._own else dialled and dialled.answer
            if hello and (hello is self._me or has_found(hello.process)):
                alone = hello.url.rstrip("/") == url
                found += alone or (url not in self._shared.open and up_s >= SHARED_S)
        return len(expected) - found

    def look(self, linked: Container[str | None]) -> None:
        """Add new addresses and drop old ones. `linked`: the connected processes."""
        look = _Look(
            seen=[address for discovery in self._discoveries for address in discovery.seen()],
            linked=linked,
            unnamed={dialled.process for dialled in self.all if not dialled.named},
        )
        for dialled in self.all:
            if self._is_over(dialled, look):
                del self._dialled[dialled.url]
        for address in look.seen:
            self._learn(address, look)
        if look.seen:
            self._shared.keep({address.url for address in look.seen})

    def answered(self, dialled: Dialled, hello: Hello, *, known: bool) -> bool:
        """Note the hello from this address. Returns whether this node should talk to the sender.

        If this very process answers at an address, the address is dropped for ever. If another node
        answers than the one that the discovery names, the address is dropped while the named
        process lives. If the sender has another URL than an address that names no node, the address
        may be shared. `known`: whether this node is connected to the sender.
        """
        is_me = hello.process == self._me.process
        if dialled.named and (is_me or hello.node != dialled.node):
            self._refute(dialled)
            return False
        if not dialled.named and hello.url not in {"", dialled.url}:
            self._shared.answered(dialled.url, known=known or is_me)
        dialled.answer = hello
        if is_me and self._dialled.get(dialled.url) is dialled:
            self._own.add(dialled.url)
            del self._dialled[dialled.url]
        return not is_me

    def _refute(self, dialled: Dialled) -> None:
        if len(self._refuted) >= 4 * MOST:
            self._refuted.clear()
        self._refuted.add((dialled.process, dialled.url))
        self._dialled.pop(dialled.url, None)

    def _expected(self) -> set[str]:
        return {url for discovery in self._discoveries for url in discovery.expected()}

    def _is_over(self, dialled: Dialled, look: "_Look") -> bool:
        if dialled.connected:
            return False
        # The same process has answered at an unnamed address. That address stays instead: it may
        # lead to the process by another way, through a relay, say.
        if dialled.named and dialled.process in look.unnamed:
            return True
        if look.is_alive(dialled.process):
            return False
        if not dialled.named and any(dialled.url == address.url for address in look.seen):
            return False
        if dialled.node is None:
            # No process has ever answered there, so drop it. But keep it if the discoveries see
            # nothing at all: then the look has probably failed.
            return bool(look.seen)
        moved = any(
            address.node == dialled.node and address.url != dialled.url for address in look.seen
        )
        return moved or self._gone(dialled.node)

    def _learn(self, address: Address, look: "_Look") -> None:
        if address.url in self._own or address.process == self._me.process:
            return
        known = self._dialled.get(address.url)
        if address.node is None:
            if known is None:
                self._dialled[address.url] = Dialled(address)
            return
        if (address.process, address.url) in self._refuted:
            return
        if (known and not known.named) or address.process in look.unnamed:
            return
        if known is None:
            if _can_be_dialled(address.url) and self._has_room(look):
                self._dialled[address.url] = Dialled(address)
        elif not look.is_alive(known.process):
            # The node was restarted: a new process is at the address.
            known.address, known.answer = address, None

    def _has_room(self, look: "_Look") -> bool:
        learned = [dialled for dialled in self.all if dialled.named]
        if len(learned) < MOST:
            return True
        for dialled in learned:
            if not look.is_alive(dialled.process):
                del self._dialled[dialled.url]
                return True
        return False


class _Look:
    """What all discoveries see at one moment, and which processes are connected."""

    def __init__(
        self, seen: Sequence[Address], linked: Container[str | None], unnamed: Container[str | None]
    ) -> None:
        """`unnamed`: the processes that have answered at addresses that name no node."""
        self.seen = seen
        self.unnamed = unnamed
        self._linked = linked
        self._seen_processes = {address.process for address in seen}

    def is_alive(self, process: str | None) -> bool:
        """Whether this process is connected, or a discovery sees it."""
        return process is not None and (process in self._linked or process in self._seen_processes)


def _can_be_dialled(url: str) -> bool:
    try:
        host = urlsplit(check_url(url)).hostname or ""
    except SettingError:
        return False
    try:
        # A node sends 0.0.0.0 when it listens on all addresses and has no --advertise.
        return not ip_address(host).is_unspecified
    except ValueError:
        return True
