"""Routes: joins several transports that run side by side, and knows which of them reach a process.

If two transports reach a process, it joins once, with the first of them, and leaves with the last.
Frames to it go through one transport only, although doubled frames would do no harm.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ratchet.frames import Frame, Hello, Send

from ratchet_server.peering.ports import Inbox, Route, Transport
from ratchet_server.peering.together import together


class Way(NamedTuple):
    """A transport on which a process is heard: its name, and for how long the process has sent
    nothing there."""

    name: str
    silent_s: float


class Routes:
    """All transports of this node. If several of them reach a process, the first one sends."""

    def __init__(self, transports: Sequence[Transport]) -> None:
        # The processes that each transport reaches. They are stored here because every frame needs
        # them, and `Transport.routes` may be slow.
        self._reached: list[tuple[Transport, set[str]]] = [(each, set()) for each in transports]
        # How many transports reach each process.
        self._ways: Counter[str] = Counter()

    async def run(self, inbox: Inbox) -> None:
        """Run all transports until cancelled, or until one fails: then the others stop, too."""
        await together(
            transport.run(_Entrance(inbox, reached, self._ways))
            for transport, reached in self._reached
        )

    def send(self, sends: Iterable[Send]) -> None:
        """Queue frames for their peers. Best effort: an unreachable process is no error."""
        for to, frame in sends:
            rest = {*self._ways} if to is None else {to}
            for transport, reached in self._reached:
                if here := rest & reached:
                    transport.send(frame, here)
                    rest -= here

    def by_process(self) -> dict[str, Route]:
        """The route on which frames to each connected process are sent."""
        found: dict[str, Route] = {}
        for transport, _ in reversed(self._reached):
            found |= transport.routes()
        return found

    def ways(self) -> dict[str, list[Way]]:
        """All ways on which each connected process is heard, the one for frames to it first."""
        found: dict[str, list[Way]] = {}
        for transport, _ in self._reached:
            for process, route in transport.routes().items():
                found.setdefault(process, []).append(Way(route.way, transport.silent_s(process)))
        return found

    def settled(self) -> bool:
        """Whether all transports have settled: see `Transport.settled`."""
        return all(transport.settled() for transport, _ in self._reached)

    def unmet(self, known: Collection[str]) -> int:
        """At how many places there may be a node that is unknown here: see `Transport.unmet`."""
        return sum(transport.unmet(known) for transport, _ in self._reached)


class _Entrance:
    """The inbox of one transport."""

    def __init__(self, inbox: Inbox, reached: set[str], ways: Counter[str]) -> None:
        self._inbox = inbox
        self._reached = reached
        self._ways = ways

    def joined(self, hello: Hello) -> None:
        # Note the process first, because the inbox sends it a digest from within `joined`.
        self._reached.add(hello.process)
        self._ways[hello.process] += 1
        if self._ways[hello.process] == 1:
            self._inbox.joined(hello)

    async def receive(self, frame: Frame, process: str) -> None:
        await self._inbox.receive(frame, process)

    def left(self, process: str) -> None:
        self._reached.discard(process)
        self._ways[process] -= 1
        if not self._ways[process]:
            del self._ways[process]
            self._inbox.left(process)
