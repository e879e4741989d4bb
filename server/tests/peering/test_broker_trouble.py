"""Real brokers that die, freeze and forget; and people on them who mean no good."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest
from ratchet_server.peering.bus.envelope import HEAD, Envelope, Kind, Seal
from ratchet_server.peering.bus.freshness import LATE_S
from ratchet_server.peering.bus.port import Bus

from testing.brokers import BEAT_S, BROKERS, bus_at
from testing.servers.server import Server
from testing.servers.shared import Shared
from testing.stations import SECRET, Station, meet
from testing.transports import open_sockets, until

# On the others, these tests take minutes: `make wires`.
QUICK: Final = ("nats",)
FROZEN_S: Final = 12.0
# How long after a broker answers again the stations may hear each other.
BACK_S: Final = 5.0
STOP_S: Final = 2.0
# How much longer a busy machine may take for what these tests bound.
SLACK_S: Final = 2.0


class World:
    """One broker, and stations on it. They are of one cluster that no other test has."""

    def __init__(self, server: Server[Any], stack: AsyncExitStack) -> None:
        self.server = server
        self.cluster = f"test-{secrets.token_hex(4)}"
        self._stack = stack

    def bus(self, cluster: str = "") -> Bus:
        return bus_at(self.server.url, cluster or self.cluster)

    async def station(self, name: str, *, cluster: str = "", secret: str = SECRET) -> Station:
        """A station that runs until the test ends."""
        cluster = cluster or self.cluster
        station = Station(name, self.bus(cluster), cluster, secret=secret, beat_s=BEAT_S)
        return await self._stack.enter_async_context(station.running())

    async def two(self) -> tuple[Station, Station]:
        """Two stations that hear each other."""
        a, b = await self.station("a"), await self.station("b")
        await meet(a, b)
        return a, b


@pytest.fixture(
    params=[
        name if name in QUICK else pytest.param(name, marks=pytest.mark.wires) for name in BROKERS
    ]
)
def on(request: pytest.FixtureRequest) -> str:
    """Each broker in turn."""
    return str(request.param)


@pytest.fixture
def play(on: str, servers: Shared) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    """A function that plays a story on the broker. At its end no task and no socket of the stations
    is left."""

    def run(story: Callable[[World], Awaitable[None]]) -> None:
        async def whole() -> None:
            server = await servers.get(BROKERS[on])
            tasks, sockets = len(asyncio.all_tasks()), open_sockets()
            async with AsyncExitStack() as stack:
                await story(World(server, stack))
            await until(lambda: len(asyncio.all_tasks()) <= tasks, "all tasks have ended")
            await until(lambda: open_sockets() <= sockets, "all sockets are closed")

        asyncio.run(whole())

    return run


Play = Callable[[Callable[[World], Awaitable[None]]], None]


class TestABus:
    def test_carries_messages_to_all_or_to_one_in_order(self, play: Play) -> None:
        async def story(world: World) -> None:
            a, b = "a" * 16, "b" * 16
            heard: dict[str, list[bytes]] = {a: [], b: []}
            async with (
                world.bus().connect(a, heard[a].append) as line,
                world.bus().connect(b, heard[b].append),
            ):
                many = [b"%05d" % n + bytes(300) for n in range(10_000)]
                for message in many:
                    await line.publish(None, message)
                await line.publish(b, b"for b")
                await line.publish(None, b"the last")
                await until(lambda: b"the last" in heard[a], "a has all")
                await until(lambda: {b"for b", b"the last"} <= {*heard[b]}, "b has all")
            assert [each for each in heard[a] if each != b"for b"] == [*many, b"the last"]
            assert [each for each in heard[b] if each != b"for b"] == [*many, b"the last"]
            assert heard[b].count(b"for b") == 1

        play(story)

    def test_carries_messages_as_large_as_it_says(self, play: Play) -> None:
        async def story(world: World) -> None:
            a, heard = "a" * 16, list[bytes]()
            async with world.bus().connect(a, heard.append) as line:
                message = secrets.token_bytes(line.largest)
                await line.publish(None, message)
                await line.publish(a, message)
                await until(lambda: len(heard) == 2, "both have come")
            assert heard == [message, message]

        play(story)


class TestABroker:
    def test_that_is_killed_is_noticed_and_used_again(self, play: Play) -> None:
        async def story(world: World) -> None:
            a, b = await world.two()
            world.server.kill()
            await until(lambda: not a.hears and not b.hears, "both know")
            await until(lambda: not a.present and not b.present, "they have parted")
            a.say(1, b)
            await world.server.start()
            back = time.monotonic()
            await meet(a, b)
            assert time.monotonic() - back <= BACK_S + SLACK_S
            a.say(2)
            await until(lambda: b.numbers(), "b hears a")
            assert b.numbers() == [2]

        play(story)

    def test_that_is_frozen_is_noticed_and_delivers_nothing_old(self, play: Play) -> None:
        async def story(world: World) -> None:
            a, b = await world.two()
            world.server.freeze()
            frozen = time.monotonic()
            number = 0
            while time.monotonic() < frozen + FROZEN_S:
                number += 1
                a.say(number, b)
                before = time.monotonic()
                await asyncio.sleep(0.1)
                # Whatever the broker does, the node goes on.
                assert time.monotonic() - before <= 0.1 + SLACK_S
                if a.hears and b.hears:
                    assert time.monotonic() - frozen <= 4 + SLACK_S, "it is deaf, and does not know"
            assert not a.present
            last = number
            world.server.thaw()
            await meet(a, b)
            a.say(last + 1)
            await until(lambda: last + 1 in b.numbers(), "b hears a")
            # a said ten a second.
            assert all(each >= last - 10 * (LATE_S + SLACK_S) for each in b.numbers())

        play(story)

    def test_that_has_lost_its_data_is_used_again(self, play: Play) -> None:
        async def story(world: World) -> None:
            a, b = await world.two()
            world.server.kill()
            await until(lambda: not a.hears and not b.hears, "both know")
            world.server.wipe()
            await world.server.start()
            await until(lambda: a.hears and b.hears, "both hear themselves")
            a.say(1, b)
            await meet(a, b)
            a.say(2)
            await until(lambda: 2 in b.numbers(), "b hears a")

        play(story)

    def test_that_is_not_there_stops_no_node(self, play: Play) -> None:
        async def story(world: World) -> None:
            world.server.kill()
            a = await world.station("a")
            await until(a.transport.settled, "a goes on without it")
            assert not a.hears
            assert a.transport.unmet([]) == 1
            await world.server.start()
            await until(lambda: a.hears, "a hears itself")
            await meet(a, await world.station("b"))
            assert a.transport.unmet([]) == 0

        play(story)


class TestAStationStops:
    @pytest.mark.parametrize("state", ["up", "killed", "frozen", "never there"])
    def test_within_two_seconds_and_leaves_nothing(self, play: Play, state: str) -> None:
        async def story(world: World) -> None:
            if state == "never there":
                world.server.freeze()
            station, other = (
                Station(name, world.bus(), world.cluster, beat_s=BEAT_S) for name in "ab"
            )
            async with other.running():
                async with station.running():
                    if state == "never there":
                        await asyncio.sleep(1.0)
                    else:
                        await meet(station, other)
                    if state == "killed":
                        world.server.kill()
                    if state == "frozen":
                        world.server.freeze()
                    # It is publishing when it ends.
                    for number in range(1000):
                        station.say(number)
                    await asyncio.sleep(0.2)
                    ending = time.monotonic()
                assert time.monotonic() - ending <= STOP_S + SLACK_S
            world.server.thaw()

        play(story)

    def test_and_the_others_know_at_once(self, play: Play) -> None:
        async def story(world: World) -> None:
            a = await world.station("a")
            b = Station("b", world.bus(), world.cluster, beat_s=BEAT_S)
            async with b.running():
                await meet(a, b)
                leaving = time.monotonic()
            await until(lambda: not a.present, "a knows")
            # Silence would take longer.
            assert time.monotonic() - leaving < 4 * BEAT_S

        play(story)


class TestOthersOnTheBroker:
    def test_two_clusters_never_meet(self, play: Play, caplog: pytest.LogCaptureFixture) -> None:
        async def story(world: World) -> None:
            a, b = await world.two()
            c = await world.station("c", cluster="another")
            d = await world.station("d", cluster="another")
            await meet(c, d)
            a.say(1)
            c.say(2)
            await until(lambda: b.numbers() and d.numbers(), "all have heard")
            assert (b.numbers(), d.numbers()) == ([1], [2])
            assert a.present == {b.process}

        play(story)
        assert not [one for one in caplog.records if one.levelno >= logging.WARNING]

    def test_without_the_secret_nobody_is_heard(
        self, play: Play, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def story(world: World) -> None:
            a, b = await world.two()
            eve = await world.station("e", secret="another secret")
            await until(lambda: eve.hears, "she hears herself")
            forged, garbage = Seal(world.cluster, ["a guess"]), secrets.token_bytes
            async with world.bus().connect("e" * 16, lambda _message: None) as line:
                for number in range(1000):
                    # In the name of a, newer than all that it has said.
                    envelope = Envelope(
                        Kind.FRAME, a.process, None, 10**15 + number, None, 1, 1, b"{}"
                    )
                    await line.publish(None, forged.close(envelope))
                    await line.publish(None, garbage(number % 300))
                await line.publish(None, b"")
            a.say(1)
            await until(lambda: b.numbers(), "b hears a")
            assert b.numbers() == [1]
            assert not eve.present
            assert a.present == {b.process}

        play(story)
        warnings = [one for one in caplog.records if one.levelno >= logging.WARNING]
        # One from each station: a, b and eve.
        assert len(warnings) <= 3
        assert all(
            "not signed with this cluster's secret" in str(one.msg % one.args) for one in warnings
        )

    def test_a_recording_brings_no_dead_process_back(self, play: Play) -> None:
        async def story(world: World) -> None:
            recorded: list[bytes] = []
            async with world.bus().connect("e" * 16, recorded.append) as line:
                a = await world.station("a")
                b = Station("b", world.bus(), world.cluster, beat_s=BEAT_S)
                async with b.running():
                    await meet(a, b)
                    b.say(1)
                    await until(lambda: a.numbers(), "a hears b")
                c = await world.station("c")
                await meet(a, c)
                of_b = [one for one in recorded if f" {b.process} ".encode() in one[:HEAD]]
                assert len(of_b) >= 2
                for message in of_b:
                    await line.publish(None, message)
                    await line.publish(a.process, message)
                    await line.publish(c.process, message)
                # c hails it, and gets no answer.
                a.say(2)
                await until(lambda: c.numbers(), "c has heard all that came before")
                assert a.present == {c.process}
                assert c.present == {a.process}
                assert a.numbers() == [1]
                assert c.numbers() == [2]

        play(story)
