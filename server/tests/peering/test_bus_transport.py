"""The transport of buses, on a bus in memory that does whatever the test asks it for."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from ratchet.column import Row
from ratchet.frames import Hello, Rows
from ratchet.identity import Stranger
from ratchet.slot import Slot
from ratchet_server.peering.bus import gathering, transport
from ratchet_server.peering.bus.envelope import Envelope, Kind, Seal
from ratchet_server.peering.bus.failures import failures
from ratchet_server.peering.bus.port import BusError, Hear, Line

from testing.bus import MemoryBus
from testing.nodes import PATIENCE_S
from testing.stations import SECRET, Station, meet, note
from testing.transports import OpenDoor, until

CLUSTER = "test"
BEAT_S = 0.2
SEAL = Seal(CLUSTER, [SECRET])
C = "c" * 16


def station(name: str, bus: MemoryBus, **settings: object) -> Station:
    return Station(name, bus, CLUSTER, beat_s=BEAT_S, **settings)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def two(bus: MemoryBus, **settings: object) -> AsyncIterator[tuple[Station, Station]]:
    """Two stations that run, and hear each other."""
    a, b = station("a", bus, **settings), station("b", bus, **settings)
    async with a.running(), b.running():
        await meet(a, b)
        yield a, b


class Recorded(MemoryBus):
    """A bus that counts the messages of each process, by kind, and keeps the hails."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, Kind]] = Counter()
        self.hails: list[tuple[str | None, bytes]] = []

    def deliver(self, to: str | None, message: bytes) -> None:
        envelope = SEAL.open(message)
        self.counts[envelope.sender, envelope.kind] += 1
        if envelope.kind is Kind.HAIL:
            self.hails.append((to, message))
        super().deliver(to, message)


class Slow(MemoryBus):
    """A bus on which each message takes as long."""

    def __init__(self, delay_s: float) -> None:
        super().__init__()
        self._delay_s = delay_s

    def deliver(self, to: str | None, message: bytes) -> None:
        asyncio.get_running_loop().call_later(self._delay_s, super().deliver, to, message)


class ShutDoor(OpenDoor):
    """A door that lets nobody in."""

    def admit(self, peer: Hello, *, given: bool) -> Stranger:  # type: ignore[override]  # noqa: ARG002
        return Stranger("1" * 16, "2" * 16)


class TestABus:
    def test_that_is_frozen_leaves_each_alone_until_it_thaws(self) -> None:
        async def story() -> None:
            bus = MemoryBus()
            async with two(bus) as (a, b):
                bus.freeze()
                await until(lambda: not (a.hears or b.hears), "both are deaf")
                assert a.transport.trouble
                assert "does not bring this node its own messages" in a.transport.trouble[0]
                await until(lambda: not (a.present or b.present), "they have parted")
                a.say(1, b)
                bus.thaw()
                await meet(a, b)
                assert a.hears
                a.say(2)
                await until(lambda: 2 in b.numbers(), "b hears a")
                assert b.numbers() == [2]

        asyncio.run(story())

    @pytest.mark.parametrize("delay_s", [1.5, 2.7])
    def test_that_is_slow_is_of_use_or_in_trouble(self, delay_s: float) -> None:
        async def story() -> None:
            bus = Slow(delay_s)
            # With a node's own beat.
            a, b = (Station(name, bus, CLUSTER, beat_s=transport.BEAT_S) for name in "ab")
            starting = a.transport.trouble
            assert starting

            def is_in_trouble() -> bool:
                trouble = a.transport.trouble
                return trouble is not None and trouble[0] != starting[0]

            async with a.running(), b.running():
                await until(lambda: a.present or is_in_trouble(), "it joins, or says why not")
                assert a.hears == bool(a.present) == (delay_s < transport.SLOW_S)
                if trouble := a.transport.trouble:
                    assert "to bring this node its own messages" in trouble[0]

        asyncio.run(story())

    def test_that_breaks_is_used_again(self) -> None:
        async def story() -> None:
            bus = MemoryBus()
            async with two(bus) as (a, b):
                bus.kill()
                await until(lambda: not (a.hears or b.hears), "both know")
                assert a.transport.trouble
                assert a.transport.trouble[0] == "is down"
                await until(lambda: not (a.present or b.present), "they have parted")
                bus.down = False
                await meet(a, b)

        asyncio.run(story())

    def test_carries_a_frame_for_most_as_one_message(self) -> None:
        async def story() -> None:
            bus = Recorded()
            a, b, c, d = [station(name, bus) for name in "abcd"]
            async with a.running(), b.running(), c.running(), d.running():
                await meet(a, b, c, d)
                a.say(1, b, c)
                await until(lambda: all(one.numbers() == [1] for one in (b, c)), "they hear it")
                assert bus.counts[a.process, Kind.FRAME] == 1
                a.say(2, b)
                await until(lambda: b.numbers() == [1, 2], "b hears it")
                assert (c.numbers(), d.numbers()) == ([1], [1])

        asyncio.run(story())

    def test_that_takes_small_messages_carries_large_frames_and_hellos(self) -> None:
        async def story() -> None:
            bus = MemoryBus(largest=1000)
            ids = [f"{number:016x}" for number in range(1000)]
            async with two(bus, ids=ids) as (a, b):
                rows = tuple(Row(f"video-{n}", n, n) for n in range(1, 1001))
                frame = Rows(Slot("a", 1), 0, 1000, more=False, rows=rows)
                a.transport.send(frame, [b.process])
                await until(lambda: b.frames, "b has it")
                assert b.frames == [frame]

        asyncio.run(story())


class TestPushes:
    @staticmethod
    def push(number: int, *, confirm: bool = False) -> Rows:
        """One row that somebody has just counted."""
        row = Row("tide", number, number)
        return Rows(Slot("a", 1), number - 1, number, more=False, rows=(row,), confirm=confirm)

    def test_of_a_busy_node_travel_together_and_nothing_overtakes_them(self) -> None:
        async def story() -> None:
            bus = Recorded()
            async with two(bus) as (a, b):
                frames = [*map(self.push, range(1, 100)), note(100)]
                for frame in frames:
                    a.transport.send(frame, [b.process])
                await until(lambda: len(b.frames) == len(frames), "b has all")
                assert b.frames == frames
                # The first push, as many as may leave together, the others, and the note.
                assert bus.counts[a.process, Kind.FRAME] == 4

        asyncio.run(story())

    def test_that_somebody_waits_for_leave_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gathering, "GATHER_S", 1e9)

        async def story() -> None:
            async with two(MemoryBus()) as (a, b):
                frames = [self.push(1), self.push(2), self.push(3, confirm=True)]
                for frame in frames:
                    a.transport.send(frame, [b.process])
                await until(lambda: b.frames == frames, "b has all")

        asyncio.run(story())


class TestAStationThatStarts:
    def test_goes_on_when_those_who_are_there_have_answered_also_strangers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # It must not need its patience.
        monkeypatch.setattr(transport, "GIVE_UP_S", 1e9)

        async def story() -> None:
            bus = Recorded()
            async with station("b", bus, door=ShutDoor).running():
                a = station("a", bus, door=ShutDoor)
                async with a.running():
                    await until(lambda: a.transport.strangers, "it has met the stranger")
                    for _ in range(2):
                        await until(a.transport.settled, "it goes on")
                    hails = bus.counts[a.process, Kind.HAIL]
                    beats = bus.counts[a.process, Kind.BEAT]
                    await until(
                        lambda: bus.counts[a.process, Kind.BEAT] >= beats + 2 / BEAT_S, "2 s pass"
                    )
                    # The stranger is asked again after three seconds.
                    assert bus.counts[a.process, Kind.HAIL] <= hails + 1

        asyncio.run(story())

    def test_goes_on_although_somebody_never_answers(self) -> None:
        async def story() -> None:
            bus = MemoryBus()
            a = station("a", bus)
            stamp = 0

            def settled() -> bool:
                nonlocal stamp
                stamp += 1
                bus.deliver(None, SEAL.close(Envelope(Kind.BEAT, C, None, stamp, None, 1, 1, b"")))
                return a.transport.settled()

            async with a.running():
                await until(lambda: a.hears, "it hears itself")
                assert not settled()
                await until(settled, "it goes on")

        asyncio.run(story())


class TestAStationThatStops:
    def test_says_goodbye_last_and_the_others_log_it(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)

        async def story() -> None:
            bus = Recorded()
            a, b = station("a", bus), station("b", bus)
            async with a.running():
                async with b.running():
                    await meet(a, b)
                    for number in range(1000):
                        b.say(number)
                await until(lambda: not a.present, "a knows")
                assert bus.counts[b.process, Kind.GOODBYE] == 1
                hails = bus.counts[a.process, Kind.HAIL]
                beats = bus.counts[a.process, Kind.BEAT]
                await until(lambda: bus.counts[a.process, Kind.BEAT] > beats, "a beat passes")
                assert bus.counts[a.process, Kind.HAIL] == hails

        asyncio.run(story())
        assert "peer b is no longer heard on bus test" in caplog.text

    @pytest.mark.parametrize("fails", [False, True])
    def test_ends_although_a_library_swallows_the_cancellation(self, *, fails: bool) -> None:
        class Stubborn(MemoryBus):
            @contextlib.asynccontextmanager
            async def connect(self, process: str, hear: Hear) -> AsyncIterator[Line]:
                async with super().connect(process, hear) as line:
                    connecting.set()
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Future()
                    if fails:
                        raise BusError("is down")
                    yield line

        connecting = asyncio.Event()

        async def story() -> None:
            one = station("a", Stubborn())
            running = asyncio.create_task(one.transport.run(one))
            await connecting.wait()
            running.cancel()
            done, _ = await asyncio.wait((running,), timeout=PATIENCE_S)
            assert done

        asyncio.run(story())


def test_a_recorded_hail_is_answered_once() -> None:
    async def story() -> None:
        bus = Recorded()
        a, b = station("a", bus), station("b", bus)
        async with a.running():
            async with b.running():
                await meet(a, b)
            answered = bus.counts[a.process, Kind.WELCOME]
            of_b = [hail for hail in bus.hails if hail[0] == a.process]
            assert of_b
            for to, message in 100 * of_b:
                bus.deliver(to, message)
            beats = bus.counts[a.process, Kind.BEAT]
            await until(lambda: bus.counts[a.process, Kind.BEAT] > beats, "a beat passes")
            assert bus.counts[a.process, Kind.WELCOME] == answered

    asyncio.run(story())


class TestFailures:
    def test_of_any_kind_are_a_failure_of_the_bus(self) -> None:
        for error in (AttributeError("no get"), OSError("no route"), TimeoutError()):
            with pytest.raises(BusError, match="fails: ") as caught, failures():
                raise error
            assert (str(error) or type(error).__name__) in str(caught.value)
        with pytest.raises(BusError, match=r"^is down$"), failures():
            raise BusError("is down")

    def test_a_cancellation_that_nobody_asked_for_is_one_too(self) -> None:
        async def story() -> None:
            with pytest.raises(BusError, match="broke off"), failures():
                raise asyncio.CancelledError

            async def wait() -> None:
                with failures():
                    await asyncio.Future()

            ours = asyncio.create_task(wait())
            await asyncio.sleep(0)
            ours.cancel()
            await asyncio.wait((ours,))
            assert ours.cancelled()

        asyncio.run(story())
