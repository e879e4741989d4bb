"""Routes: which process is reached by which transports, of several that run side by side.

A process that two transports reach joins once, with the first, and leaves with the last. Doubled
frames do no harm, but a frame is sent on one way only.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from ratchet.frames import Frame, Hello, Send

from ratchet_server.peering.ports import Inbox, Route, Transport


class Routes:
    """All transports of this node. A process that several of them reach is sent to by the first."""

    def __init__(self, transports: Sequence[Transport]) -> None:
        # What each of them reaches. Kept here, as a transport may take long to list its routes, and
        # every frame asks.
        self._reached: list[tuple[Transport, set[str]]] = [(each, set()) for each in transports]
        # By how many transports each process is reached.
        self._ways: Counter[str] = Counter()

    async def run(self, inbox: Inbox) -> None:
        """Run all of them until cancelled, or until one fails: then the others stop, too."""
        tasks = [
            asyncio.create_task(transport.run(_Entrance(inbox, reached, self._ways)))
            for transport, reached in self._reached
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def send(self, sends: Iterable[Send]) -> None:
        """Queue frames for their peers. Best effort; a process that nobody reaches is no error."""
        for to, frame in sends:
            rest = {*self._ways} if to is None else {to}
            for transport, reached in self._reached:
                if here := rest & reached:
                    transport.send(frame, here)
                    rest -= here

    def by_process(self) -> dict[str, Route]:
        """The way on which each connected process is sent to."""
        found: dict[str, Route] = {}
        for transport, _ in reversed(self._reached):
            found |= transport.routes()
        return found

    def settled(self) -> bool:
        """Whether everybody who could be reached has been tried: for a node that starts."""
        return all(transport.settled() for transport, _ in self._reached)

    def unmet(self, known: Collection[str]) -> int:
        """At how many places there may be a node of which nobody has ever heard. `known`: the names
        that this node has heard of."""
        return sum(transport.unmet(known) for transport, _ in self._reached)


class _Entrance:
    """The inbox of one transport."""

    def __init__(self, inbox: Inbox, reached: set[str], ways: Counter[str]) -> None:
        self._inbox = inbox
        self._reached = reached
        self._ways = ways

    def joined(self, hello: Hello) -> None:
        # Before the inbox is told: it answers a join with a digest.
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
