"""Stations: bus transports on their own, with an inbox that notes what comes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from ratchet.frames import Frame, Have, Hello
from ratchet.slot import Slot
from ratchet_server.peering.bus.envelope import Seal
from ratchet_server.peering.bus.port import Bus
from ratchet_server.peering.bus.transport import BusTransport
from ratchet_server.peering.ports import Door

from testing.transports import OpenDoor, until
from testing.witness import Witness

SECRET: Final = "the secret of these stations"


def note(number: int) -> Frame:
    """A small frame with a number."""
    return Have(Slot("a", 1), number)


def number_of(frame: Frame) -> int:
    """The number of a `note`."""
    assert isinstance(frame, Have)
    return frame.durable


class Station:
    """A process on a bus. It is its own inbox."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        cluster: str,
        *,
        secret: str = SECRET,
        beat_s: float = 0.5,
        ids: Sequence[str] = (),
        door: Callable[[Hello], Door] = OpenDoor,
    ) -> None:
        """`ids`: those of its cluster. `door`: what makes its door."""
        self.me = Hello(name, secrets.token_hex(8), f"http://{name}:1", cluster=tuple(ids))
        self.transport = BusTransport(
            "test", bus, self.me, door(self.me), Seal(cluster, [secret]), beat_s=beat_s
        )
        self.witness = Witness(self.transport, self.me.process)
        self.frames: list[Frame] = []
        self.present: set[str] = set()

    @property
    def process(self) -> str:
        """Its id."""
        return self.me.process

    @property
    def hears(self) -> bool:
        """Whether it hears itself."""
        return self.transport.trouble is None

    def joined(self, hello: Hello) -> None:
        """See `ports.Inbox`, here and below."""
        self.present.add(hello.process)

    async def receive(self, frame: Frame, process: str) -> None:  # noqa: ARG002
        self.frames.append(frame)

    def left(self, process: str) -> None:
        self.present.discard(process)

    def say(self, number: int, *to: "Station") -> None:
        """Send a note to these stations, or to all that are present."""
        self.transport.send(note(number), [one.process for one in to] or [*self.present])

    def numbers(self) -> list[int]:
        """The numbers of the notes that have come."""
        return [number_of(frame) for frame in self.frames if isinstance(frame, Have)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Station"]:
        """Run its transport."""
        task = asyncio.create_task(self.witness.run(self))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait((task,))
        assert task.cancelled(), task.exception()
        assert not self.witness.broken, self.witness.broken


async def meet(*stations: Station) -> None:
    """Wait until all hear each other."""
    processes = {one.process for one in stations}
    for one in stations:
        await until(lambda one=one: one.present >= processes - {one.process}, "all are there")  # type: ignore[misc]
