"""A witness between a transport and its node. It notes frames, and rules that are broken."""

from collections import Counter
from collections.abc import Collection, Mapping

from ratchet.frames import Frame, Hello
from ratchet_server.peering.bus.gathering import MOST_FRAMES
from ratchet_server.peering.bus.transport import BusTransport
from ratchet_server.peering.ports import Inbox, Route, Transport


class Witness:
    """A transport that passes all calls to another transport, and notes them."""

    def __init__(self, transport: Transport, process: str) -> None:
        """`process`: the process that the transport belongs to."""
        self.transport = transport
        self.process = process
        self.sent: list[tuple[Frame, Collection[str]]] = []
        self.received: Counter[str] = Counter()
        self.joined: set[str] = set()
        # The rules of the port that the transport has broken.
        self.broken: list[str] = []

    async def run(self, inbox: Inbox) -> None:
        """See the port, here and below."""
        await self.transport.run(_Inbox(self, inbox))

    def send(self, frame: Frame, to: Collection[str]) -> None:
        self.sent.append((frame, frozenset(to)))
        self.transport.send(frame, to)

    def routes(self) -> Mapping[str, Route]:
        return self.transport.routes()

    def silent_s(self, process: str) -> float:
        return self.transport.silent_s(process)

    def settled(self) -> bool:
        return self.transport.settled()

    def unmet(self, known: Collection[str]) -> int:
        return self.transport.unmet(known)


class _Inbox:
    def __init__(self, witness: Witness, inbox: Inbox) -> None:
        self._witness = witness
        self._inbox = inbox
        self._busy: Counter[str] = Counter()

    def joined(self, hello: Hello) -> None:
        witness = self._witness
        self._rule(hello.process != witness.process, "this process itself has joined")
        self._rule(hello.process not in witness.joined, "a process has joined twice")
        self._rule(hello.process in witness.routes(), "a process has joined without a route")
        witness.joined.add(hello.process)
        self._inbox.joined(hello)

    async def receive(self, frame: Frame, process: str) -> None:
        self._rule(process in self._witness.joined, "a frame came of a process that hasn't joined")
        self._busy[process] += 1
        # A message of a bus may have many frames. And two nodes may have dialled each other: that
        # makes two connections.
        most = MOST_FRAMES if isinstance(self._witness.transport, BusTransport) else 2
        self._rule(self._busy[process] <= most, "a frame came before the last one was merged")
        try:
            await self._inbox.receive(frame, process)
            self._witness.received[process] += 1
        finally:
            self._busy[process] -= 1

    def left(self, process: str) -> None:
        self._rule(process in self._witness.joined, "a process has left that hadn't joined")
        self._rule(process not in self._witness.routes(), "a process has left its route behind")
        self._witness.joined.discard(process)
        self._inbox.left(process)

    def _rule(self, holds: bool, broken: str) -> None:
        if not holds:
            self._witness.broken.append(broken)
