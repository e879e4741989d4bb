"""Several transports side by side: a process joins once, and leaves once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from ratchet.frames import Frame, Have, Hello, Send
from ratchet.slot import Slot
from ratchet_server.peering.ports import Inbox
from ratchet_server.peering.routes import Routes

from testing.bus import Bus, BusTransport
from testing.transports import until
from testing.witness import Witness

A, B, C = (Hello(name, name * 16, f"http://{name}:1") for name in "abc")


def note(number: int) -> Frame:
    """A frame that differs from those with another number."""
    return Have(Slot("a", 1), number)


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
        self.transports = [Witness(BusTransport(me, bus), me.process) for bus in buses]
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
            first, second = Bus(), Bus()
            a, b = Side(A, first, second), Side(B, first, second)
            async with a.running():
                async with b.running():
                    await until(lambda: all(one.joined for one in a.transports), "on both")
                    assert a.inbox.calls == ["b joined"]
                    first.mute(B.process)
                    await until(lambda: not a.transports[0].joined, "not on the first any more")
                    assert a.inbox.calls == ["b joined"]
                    assert [*a.routes.by_process()] == [B.process]
                    first.heal()
                    await until(lambda: a.transports[0].joined, "on both again")
                    assert a.inbox.calls == ["b joined"]
                await until(lambda: not any(one.joined for one in a.transports), "on neither")
                assert a.inbox.calls == ["b joined", "b left"]
                assert not a.routes.by_process()

        asyncio.run(story())

    def test_gets_frames_on_the_first_and_on_the_second_while_the_first_is_down(self) -> None:
        async def story() -> None:
            first, second = Bus(), Bus()
            a, b = Side(A, first, second), Side(B, first, second)
            async with a.running(), b.running():
                await until(lambda: all(one.joined for one in a.transports), "on both")
                await until(lambda: all(one.joined for one in b.transports), "on both")
                a.routes.send([Send(B.process, note(1)), Send(None, note(2))])
                await until(lambda: b.inbox.frames == [note(1), note(2)], "each came once")
                assert [len(one.sent) for one in a.transports] == [2, 0]
                assert a.routes.by_process()[B.process] is a.transports[0].routes()[B.process]
                first.mute(B.process)
                await until(lambda: not a.transports[0].joined, "not on the first any more")
                a.routes.send([Send(B.process, note(3)), Send(None, note(4))])
                await until(lambda: b.inbox.frames[2:] == [note(3), note(4)], "each came once")
                assert [len(one.sent) for one in a.transports] == [2, 2]

        asyncio.run(story())


class TestFramesForAll:
    def test_reach_each_process_once_on_whichever_transport_it_is(self) -> None:
        async def story() -> None:
            first, second = Bus(), Bus()
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
            a = Side(A, Bus())
            a.routes.send([Send(None, note(1)), Send(B.process, note(2))])
            async with a.running():
                a.routes.send([Send(None, note(1)), Send(B.process, note(2))])
            assert a.transports[0].sent == []

        asyncio.run(story())


class Broken(BusTransport):
    """A transport with a bug."""

    async def run(self, inbox: Inbox) -> None:
        raise RuntimeError("a bug", inbox)


class TestAll:
    def test_are_settled_when_each_is_and_their_unmet_nodes_add_up(self) -> None:
        async def story() -> None:
            a = Side(A, Bus(), Bus())
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
            bus = Bus()
            a, b = Side(A, bus), Side(B, bus)
            routes = Routes([BusTransport(C, bus), Broken(C, Bus())])
            async with a.running(), b.running():
                await until(lambda: a.inbox.calls, "the bus works")
                with pytest.raises(RuntimeError, match="a bug"):
                    await routes.run(RecordingInbox())
                # c has left the bus, or never joined it.
                assert bus.members == {A.process, B.process}

        asyncio.run(story())
