"""Which addresses to dial: those that discoveries see, for as long as each is worth dialling.

A node needs one address of a cluster. It connects there, and learns which other processes are
alive, and where. It dials them, and they dial it. It dials an address while a discovery sees it,
and longer: until the address's node has moved or is no longer a member. So a cluster reunites in
whatever order its nodes restart. And if a discovery finds no address for once, none is dropped.
"""

from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import dataclass
from typing import Final

from ratchet.frames import Hello

from ratchet_server.peering.ports import Address, Discovery
from ratchet_server.peering.shared import Shared
from ratchet_server.peering.undialable import why_undialable

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
    # How many IP addresses the name in its URL has.
    ways: int = 1
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
        self,
        me: Hello,
        discoveries: Sequence[Discovery],
        gone: Callable[[str], bool],
        *,
        member: Callable[[str], bool] = lambda _node: True,
    ) -> None:
        """`gone`: whether a name's slots are all closed. `member`: whether a name has, or had, a
        slot. If two discoveries see one address, the first counts."""
        self._me = me
        self._discoveries = discoveries
        self._gone = gone
        self._member = member
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

    def is_given(self, dialled: Dialled) -> bool:
        """Whether the operator has led this node to the address, by hand or by a registry. A node
        of this cluster should be there."""
        return not dialled.named or dialled.url in self._expected()

    def has_looked(self) -> bool:
        """Whether each discovery has looked with success."""
        return self._blind() == 0

    def unmet(self, known: Collection[str]) -> int:
        """How many expected addresses may have a node that is unknown here.

        An address without a name that has not answered may belong to any of the `known` names that
        have not answered at another address. So each of these names accounts for one address. But
        it does not account for a shared address: there may be any number of nodes. Neither does it
        for a discovery that has not looked yet.
        """
        urls = self._expected()
        expected = [dialled for dialled in self.all if dialled.url in urls]
        unnamed = [dialled for dialled in expected if not dialled.named]
        unknown = sum(dialled.node not in known for dialled in expected if dialled.named)
        answered = {dialled.answer.node for dialled in expected if dialled.answer}
        away = {*known} - answered - {self._me.node}
        unanswered = max(0, sum(not dialled.answer for dialled in unnamed) - len(away))
        return unanswered + unknown + len(self._shared.open & urls) + self._blind()

    def unfound(self, has_found: Callable[[str], bool], up_s: float) -> int:
        """At how many expected addresses this node has not found its cluster yet. `has_found`: see
        `ratchet.identity`. `up_s`: for how many seconds this node has been up.

        If another address than this one is in the hello, or if its name has several hosts, it may
        lead to several nodes, one after the other. So find out for a while where else it leads.
        Also wait for a while if a discovery is late.
        """
        expected = self._expected()
        seen = [address for address in self._all_seen() if address.url in expected]
        # What is named needs no answer to us: the process may have dialled us.
        found = {it.url for it in seen if it.process and has_found(it.process)}
        found |= {it.url for it in seen if (it.process, it.url) in self._refuted}
        for url in expected - found:
            dialled = self._dialled.get(url)
            hello = self._me if url in self._own else dialled and dialled.answer
            if hello and (hello is self._me or has_found(hello.process)):
                named = dialled is not None and dialled.named
                alone = hello.url.rstrip("/") == url and url not in self._shared.urls
                if named or alone or (url not in self._shared.open and up_s >= SHARED_S):
                    found.add(url)
        late = up_s < SHARED_S and any(each.is_late() for each in self._discoveries)
        return len(expected - found) + self._blind() + late

    def look(self, linked: Container[str | None]) -> None:
        """Add new addresses and drop old ones. `linked`: the connected processes."""
        look = _Look(
            seen=self._all_seen(),
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

    def _all_seen(self) -> list[Address]:
        return [address for discovery in self._discoveries for address in discovery.seen()]

    def _blind(self) -> int:
        """How many discoveries have not looked yet."""
        return sum(not discovery.has_looked() for discovery in self._discoveries)

    def _expected(self) -> set[str]:
        return {url for discovery in self._discoveries for url in discovery.expected()}

    def _is_over(self, dialled: Dialled, look: "_Look") -> bool:
        if dialled.address.passing:
            return dialled.address not in look.seen
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
        if dialled.node is None or not self._member(dialled.node):
            # No member has ever answered there, so drop it. But keep it if the discoveries see
            # nothing at all: then the look has probably failed.
            return bool(look.seen)
        moved = any(
            address.node == dialled.node and address.url != dialled.url for address in look.seen
        )
        elsewhere = any(it.connected and it.node == dialled.node for it in self.all)
        return moved or elsewhere or self._gone(dialled.node)

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
            if not why_undialable(address.url) and self._has_room(look):
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
