"""Several transports side by side: a process joins once, and leaves once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from ratchet.frames import Frame, Have, Hello, Send
from ratchet.slot import Slot
from ratchet_server.peering.bus.envelope import Seal
from ratchet_server.peering.bus.port import Bus
from ratchet_server.peering.bus.transport import BusTransport
from ratchet_server.peering.ports import Inbox
from ratchet_server.peering.routes import Routes

from testing.bus import MemoryBus, Tap
from testing.transports import OpenDoor, until
from testing.witness import Witness

A, B, C = (Hello(name, name * 16, f"http://{name}:1") for name in "abc")


def note(number: int) -> Frame:
    """A frame that differs from those with another number."""
    return Have(Slot("a", 1), number)


def on(bus: Bus, me: Hello, name: str = "test") -> BusTransport:
    """The transport of a process on a bus. It beats often, because tests wait for silence."""
    return BusTransport(name, bus, me, OpenDoor(me), Seal("test", ()), beat_s=0.1)


class RecordingInbox:
    """An inbox that records all calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.frames: list[Frame] = []

    def joined(self, hello: Hello) -> None:
        self.calls.append(f"{hello.node} joined")

    async def receive(self, frame: Frame, process: str) -> None:  # noqa: ARG002
        self.frames.append(frame)

    def left(self, process: str) -> None:
        self.calls.append(f"{process[0]} left")


class Side:
    """A process that is on several buses."""

    def __init__(self, me: Hello, *buses: Bus) -> None:
        self.taps = [Tap(bus) for bus in buses]
        self.transports = [
            Witness(on(tap, me, name), me.process)
            for tap, name in zip(self.taps, ("first", "second"), strict=False)
        ]
        self.routes = Routes(self.transports)
        self.inbox = RecordingInbox()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.routes.run(self.inbox))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))
        assert task.cancelled()
        assert [transport.broken for transport in self.transports] == [[]] * len(self.transports)


class TestAProcessOnTwoTransports:
    def test_joins_with_the_first_and_leaves_with_the_last(self) -> None:
        async def story() -> None:
            first, second = MemoryBus(), MemoryBus()
            a, b = Side(A, first, second), Side(B, first, second)
            async with a.running():
                async with b.running():
                    await until(lambda: all(one.joined for one in a.transports), "on both")
                    assert a.inbox.calls == ["b joined"]
                    b.taps[0].mute()
                    await until(lambda: not a.transports[0].joined, "not on the first any more")
                    assert a.inbox.calls == ["b joined"]
                    assert [*a.routes.by_process()] == [B.process]
                    b.taps[0].heal()
                    await until(lambda: a.transports[0].joined, "on both again")
                    assert a.inbox.calls == ["b joined"]
                await until(lambda: not any(one.joined for one in a.transports), "on neither")
                assert a.inbox.calls == ["b joined", "b left"]
                assert not a.routes.by_process()

        asyncio.run(story())

    def test_gets_frames_on_the_first_and_on_the_second_while_the_first_is_down(self) -> None:
        async def story() -> None:
            first, second = MemoryBus(), MemoryBus()
            a, b = Side(A, first, second), Side(B, first, second)
            async with a.running(), b.running():
                await until(lambda: all(one.joined for one in a.transports), "on both")
                await until(lambda: all(one.joined for one in b.transports), "on both")
                a.routes.send([Send(B.process, note(1)), Send(None, note(2))])
                await until(lambda: b.inbox.frames == [note(1), note(2)], "each came once")
                assert [len(one.sent) for one in a.transports] == [2, 0]
                assert a.routes.by_process()[B.process].way == "first"
                b.taps[0].mute()
                await until(lambda: not a.transports[0].joined, "not on the first any more")
                a.routes.send([Send(B.process, note(3)), Send(None, note(4))])
                await until(lambda: b.inbox.frames[2:] == [note(3), note(4)], "each came once")
                assert [len(one.sent) for one in a.transports] == [2, 2]

        asyncio.run(story())


class TestFramesForAll:
    def test_reach_each_process_once_on_whichever_transport_it_is(self) -> None:
        async def story() -> None:
            first, second = MemoryBus(), MemoryBus()
            # Besides a, only b is on both.
            a, b, c = Side(A, first, second), Side(B, first, second), Side(C, second)
            async with a.running(), b.running(), c.running():
                await until(lambda: len(a.routes.by_process()) == 2, "a reaches both")
                await until(lambda: len(c.routes.by_process()) == 2, "c reaches both")
                await until(lambda: all(one.joined for one in a.transports), "on both")
                await until(lambda: all(one.joined for one in b.transports), "on both")
                a.routes.send([Send(None, note(1))])
                await until(lambda: b.inbox.frames and c.inbox.frames, "both have it")
                assert [one.sent for one in a.transports] == [
                    [(note(1), {B.process})],
                    [(note(1), {C.process})],
                ]

        asyncio.run(story())

    def test_are_dropped_if_no_process_is_there(self) -> None:
        async def story() -> None:
            a = Side(A, MemoryBus())
            a.routes.send([Send(None, note(1)), Send(B.process, note(2))])
            async with a.running():
                a.routes.send([Send(None, note(1)), Send(B.process, note(2))])
            assert a.transports[0].sent == []

        asyncio.run(story())


class Broken(BusTransport):
    """A transport with a bug."""

    async def run(self, inbox: Inbox) -> None:
        raise RuntimeError("a bug", inbox)


class Buggy(RecordingInbox):
    """An inbox with a bug."""

    def joined(self, hello: Hello) -> None:
        raise RuntimeError("another bug", hello)


class TestAll:
    def test_are_settled_when_each_is_and_their_unmet_nodes_add_up(self) -> None:
        async def story() -> None:
            a = Side(A, MemoryBus(), MemoryBus())
            assert a.routes.unmet([]) == 2
            one, other = a.transports
            task = asyncio.create_task(one.run(a.inbox))
            await until(one.settled, "the first is settled")
            assert not a.routes.settled()
            assert a.routes.unmet([]) == 1
            task.cancel()
            await asyncio.wait((task,))
            async with a.running():
                await until(a.routes.settled, "both are")
                assert other.settled()
                assert a.routes.unmet([]) == 0

        asyncio.run(story())

    def test_stop_when_one_fails(self) -> None:
        async def story() -> None:
            bus = MemoryBus()
            a, b = Side(A, bus), Side(B, bus)
            seal = Seal("test", ())
            broken = Broken("test", MemoryBus(), C, OpenDoor(C), seal)
            routes = Routes([on(bus, C), broken])
            async with a.running(), b.running():
                await until(lambda: a.inbox.calls, "the bus works")
                with pytest.raises(RuntimeError, match="a bug"):
                    await routes.run(RecordingInbox())
                # c has left the bus, or never joined it.
                assert bus.listeners == {A.process, B.process}
                # A library that calls back would only log the error.
                with pytest.raises(RuntimeError, match="another bug"):
                    await Routes([on(bus, C)]).run(Buggy())

        asyncio.run(story())
