"""Promises of every transport. For a new one, write a `Wire` in `testing/`, and add it here."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Final

import pytest
from ratchet.generations import Generations
from ratchet.names import MAX_GENERATION
from ratchet.options import DEFAULTS, Options

from testing.brokers import BEAT_S, BROKERS, MULTICAST, bus_at, wire_url
from testing.bus import MemoryBus
from testing.links import Links
from testing.servers.shared import Shared
from testing.transports import (
    NAMES,
    BusWire,
    Cluster,
    MeshWire,
    Wire,
    agree,
    connected,
    open_sockets,
    until,
)
from testing.wire import key

Story = Callable[[Cluster], Awaitable[None]]

# More rows than fit into one frame.
MANY: Final = 2500


# The other clusters are so small that they never send pulses.
WITH_PULSES: Final = ("mesh with pulses", "memory with pulses")


@pytest.fixture(params=["mesh", "memory", *WITH_PULSES, MULTICAST, *BROKERS])
def on(request: pytest.FixtureRequest) -> str:
    """Each transport in turn."""
    return str(request.param)


@pytest.fixture
def wire(on: str, servers: Shared) -> Iterator[Wire]:
    """The wire of the transport."""
    if on.startswith("memory"):
        bus = MemoryBus()
        yield BusWire(lambda _cluster: bus, beat_s=0.1)
    elif on.startswith("mesh"):
        with Links() as links:
            yield MeshWire(links)
    else:
        url = wire_url(on, servers)
        yield BusWire(lambda cluster: bus_at(url, cluster), beat_s=BEAT_S)


@pytest.fixture
def nodes(on: str, wire: Wire) -> Cluster:
    """A cluster on this wire that has no nodes yet."""
    return Cluster(wire, Options(max_whole=0) if on in WITH_PULSES else DEFAULTS)


def run(nodes: Cluster, story: Story) -> None:
    """Run `story` with the cluster, and end all nodes that it has started."""

    async def whole() -> None:
        async with nodes as cluster:
            await story(cluster)

    asyncio.run(whole())


class TestFrames:
    def test_counts_reach_all(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            members = await cluster.three()
            for member in members:
                await member.view("x", 10)
            await agree(*members)
            assert [member.keeper.value("x") for member in members] == [30, 30, 30]

        run(nodes, story)

    def test_thousands_of_rows_reach_a_node_that_starts_later(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b = await cluster.start("a"), await cluster.start("b")
            await connected(a, b)
            await until(lambda: a.replica.counting, "a has a slot")
            views = [a.keeper.count_view(f"x-{n}", None, "memory") for n in range(MANY)]
            await asyncio.gather(*views)
            await a.keeper.written()
            c = await cluster.start("c")
            await connected(a, b, c)
            await agree(a, b, c)
            assert c.keeper.value(f"x-{MANY - 1}") == 1

        run(nodes, story)

    def test_a_retry_with_ack_peers_is_soon_on_another_disk(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b, c = await cluster.three()
            await agree(a, b, c)
            counted: object = "pending"
            # It is pending while they don't know yet that all list the same names.
            while counted == "pending":
                counted = (await a.keeper.count_view("x", key(), "peers", retry=True)).counted
            assert counted is True

        run(nodes, story)

    def test_doubled_and_old_frames_change_nothing(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b, c = await cluster.three()
            for member in (a, b, c, a, b, c):
                await member.view("x", 5)
                await agree(a, b, c)
            received = c.witness.received.copy()
            all_sent = {one: [*one.witness.sent] for one in (a, b, c)}
            for one, sent in all_sent.items():
                everybody = one.routes.by_process().keys()
                # Send the newest first, and each of them twice.
                for frame, _ in reversed(sent):
                    one.witness.transport.send(frame, everybody)
                    one.witness.transport.send(frame, everybody)
            for other in (a, b):
                rest = received[other.process] + 2 * len(all_sent[other])
                await until(
                    lambda process=other.process, rest=rest: c.witness.received[process] >= rest,  # type: ignore[misc]
                    f"c has all of {other.name}'s frames again",
                )
            await a.view("x")
            await agree(a, b, c)
            assert [member.keeper.value("x") for member in (a, b, c)] == [31, 31, 31]

        run(nodes, story)

    def test_a_frame_for_a_process_that_has_left_is_dropped(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b, c = await cluster.three()
            await cluster.stop("c")
            await connected(a, b)
            frame = a.replica.digest()
            received = b.witness.received[a.process]
            a.witness.transport.send(frame, [c.process])
            a.witness.transport.send(frame, [c.process, b.process])
            await until(lambda: b.witness.received[a.process] > received, "b has its copy")
            await b.view("x")
            await agree(a, b)

        run(nodes, story)

    def test_a_frame_that_cant_be_true_is_dropped_and_ends_nothing(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b, c = await cluster.three()
            await a.view("x", 5)
            await agree(a, b, c)
            digest = a.replica.digest()
            lie = replace(digest, newest=Generations({**digest.newest, "b": MAX_GENERATION}))
            a.witness.transport.send(lie, [b.process, c.process])
            await b.view("x")
            await c.view("x")
            await connected(a, b, c)
            await agree(a, b, c)
            assert a.keeper.value("x") == 7
            own = b.replica.table.own
            assert own
            assert {each.replica.table.newest["b"] for each in (a, b, c)} == {own.generation}

        run(nodes, story)


class TestMembership:
    def test_a_cut_heals(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b, c = await cluster.three()
            nodes.wire.cut("c")
            await connected(a, b)
            await connected(c)
            for member in (a, b, c):
                await member.view("x", 10)
            await agree(a, b)
            assert (a.keeper.value("x"), c.keeper.value("x")) == (20, 10)
            nodes.wire.heal()
            await connected(a, b, c)
            await agree(a, b, c)
            assert c.keeper.value("x") == 30

        run(nodes, story)

    def test_a_silent_process_leaves_and_comes_back(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b, c = await cluster.three()
            nodes.wire.silence("c")
            await connected(a, b)
            await connected(c)
            await c.view("x")
            nodes.wire.heal()
            await connected(a, b, c)
            await agree(a, b, c)
            assert a.keeper.value("x") == 1

        run(nodes, story)

    def test_a_name_that_starts_again_is_another_process(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b, c = await cluster.three()
            await c.view("x")
            await agree(a, b, c)
            await cluster.stop("c")
            again = await cluster.start("c")
            await connected(a, b, again)
            await agree(a, b, again)
            assert again.process != c.process
            assert again.keeper.value("x") == 1

        run(nodes, story)


class TestANodeThatStarts:
    def test_is_settled_when_all_that_are_there_have_joined(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a, b = await cluster.start("a"), await cluster.start("b")
            await connected(a, b)
            c = await cluster.make("c")
            assert not c.routes.settled()
            await c.start()
            await until(c.routes.settled, "c is settled")
            assert c.reaches(a, b)

        run(nodes, story)

    def test_is_settled_when_nobody_is_there(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            a = await cluster.start("a")
            await until(a.routes.settled, "a is settled")
            assert a.reaches()

        run(nodes, story)

    def test_has_met_no_node_and_later_all_even_those_that_have_left(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            lone = await cluster.make("a")
            assert lone.routes.unmet(["a"]) > 0
            await cluster.stop("a")
            a, b, _ = await cluster.three()
            await until(lambda: all(one.routes.unmet(NAMES) == 0 for one in (a, b)), "all have met")
            await cluster.stop("c")
            await connected(a, b)
            assert [one.routes.unmet(NAMES) for one in (a, b)] == [0, 0]

        run(nodes, story)


class TestCancellation:
    def test_leaves_no_peer_no_task_and_no_socket(self, nodes: Cluster) -> None:
        async def story(cluster: Cluster) -> None:
            tasks, sockets = len(asyncio.all_tasks()), 0
            members = [await cluster.make(name) for name in NAMES]
            sockets = open_sockets()
            for member in members:
                await member.start()
            a, b, c = members
            await connected(a, b, c)
            # The others go on, so nobody but a can close a's sockets.
            await a.hang_up()
            assert a.reaches()
            await connected(b, c)
            await b.hang_up()
            await c.hang_up()
            for member in members:
                member.keeper.end()
            await until(lambda: open_sockets() <= sockets, "all sockets are closed")
            # This ends the servers of the mesh, which still wait for connections.
            for member in members:
                await cluster.stop(member.name)
            await until(lambda: len(asyncio.all_tasks()) <= tasks, "all tasks have ended")

        run(nodes, story)
