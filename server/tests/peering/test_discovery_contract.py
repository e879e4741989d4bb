"""Promises of every discovery. For a new one, write a `World` here, and add it to the lists."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Protocol

import pytest
from ratchet.frames import Hello
from ratchet.replica import Replica
from ratchet_server.peering.addresses import Addresses
from ratchet_server.peering.gossip import Gossip
from ratchet_server.peering.ports import Address, Discovery
from ratchet_server.peering.static import Static

from testing.packages import consul
from testing.registries import ME, InDns, InMemory, OnServer
from testing.servers.consul import ConsulStandIn, RealConsul
from testing.servers.etcd import Etcd
from testing.servers.shared import Shared
from testing.servers.zookeeper import ZooKeeper
from testing.transports import until

B, C = Hello("b", "b" * 16, "http://10.0.0.2:1"), Hello("c", "c" * 16, "http://10.0.0.3:1")


class World(Protocol):
    """The processes around node a, which its discovery should find."""

    # The discovery of node a. It may not exist before `start`.
    discovery: Discovery

    async def start(self, *others: Hello) -> None:
        """Start these processes, and then a."""

    async def end(self) -> None:
        """End all processes."""

    async def come(self, other: Hello) -> object:
        """Start another process."""

    async def go(self, other: Hello) -> None:
        """End a process in order."""

    async def blind(self) -> None:
        """Let every look find no process from now on."""


class Given:
    """Addresses that an operator gave. They never change."""

    def __init__(self) -> None:
        self.discovery: Discovery

    async def start(self, *others: Hello) -> None:
        self.discovery = Static([f"{other.url}/" for other in others])
        await self.discovery.run(ME)

    async def end(self) -> None:
        """Nothing runs."""

    async def come(self, other: Hello) -> None:
        """The operator doesn't know of it."""

    async def go(self, other: Hello) -> None:
        """The operator doesn't know of it."""

    async def blind(self) -> None:
        """It sees only its own list, which doesn't change."""


class Gossiped:
    """Addresses that come from peers, with a replica that is connected to them."""

    def __init__(self) -> None:
        chance = random.Random(1).randrange
        self._replica = Replica(ME, wall_ms=lambda: 1, chance=chance, now=0.0)
        self.discovery: Discovery = Gossip(self._replica.peers.alive)

    async def start(self, *others: Hello) -> None:
        for other in others:
            await self.come(other)
        await self.discovery.run(ME)

    async def end(self) -> None:
        """Nothing runs."""

    async def come(self, other: Hello) -> None:
        self._replica.joined(other)

    async def go(self, other: Hello) -> None:
        self._replica.left(other.process)

    async def blind(self) -> None:
        for process in [*self._replica.peers.by_process]:
            self._replica.left(process)


Story = Callable[[], Awaitable[None]]
# From the servers of this run to a world with one of them.
Kind = Callable[[Shared], World]
WITHOUT: Final[dict[str, Kind]] = {
    "given": lambda _: Given(),
    "gossip": lambda _: Gossiped(),
    "dns": lambda _: InDns(),
}
ANNOUNCED: Final[dict[str, Kind]] = {
    "memory": lambda _: InMemory(),
    "etcd": lambda servers: OnServer(servers, Etcd),
    "consul": lambda servers: OnServer(servers, ConsulStandIn),
    "zookeeper": lambda servers: OnServer(servers, ZooKeeper),
}
if consul.find():
    ANNOUNCED["real consul"] = lambda servers: OnServer(servers, RealConsul)


def kinds(*more: str) -> pytest.MarkDecorator:
    """A test for all kinds with announcements, and for these."""
    chosen = {name: WITHOUT[name] for name in more} | ANNOUNCED
    return pytest.mark.parametrize("kind", chosen.values(), ids=chosen)


def run(world: World, story: Story) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(world.end)
            await story()

    asyncio.run(whole())


def others(discovery: Discovery) -> list[str]:
    """The URLs that it sees, except that of node a."""
    return sorted(one.url for one in discovery.seen() if one.url != ME.url)


def dialled(addresses: Addresses) -> list[str]:
    """The URLs that a node with these addresses dials."""
    addresses.look(())
    return sorted(one.url for one in addresses.all)


@kinds("given", "gossip", "dns")
class TestEveryDiscovery:
    def test_sees_all_in_each_look(self, kind: Kind, servers: Shared) -> None:
        world = kind(servers)

        async def story() -> None:
            await world.start(B, C)
            for _ in range(2):
                # Without the slash that people write after a host.
                assert others(world.discovery) == [B.url, C.url]
                assert {*world.discovery.expected()} <= {one.url for one in world.discovery.seen()}
                for one in world.discovery.seen():
                    assert (one.node is None) == (one.process is None)

        run(world, story)

    def test_a_look_that_finds_nobody_drops_nobody(self, kind: Kind, servers: Shared) -> None:
        world = kind(servers)

        async def story() -> None:
            await world.start(B, C)
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            assert dialled(addresses) == [B.url, C.url]
            await world.blind()
            if not isinstance(world, Given):
                await until(lambda: not others(world.discovery), "it sees nobody")
            assert dialled(addresses) == [B.url, C.url]

        run(world, story)

    def test_no_node_dials_itself_again_once_it_has_answered(
        self, kind: Kind, servers: Shared
    ) -> None:
        world = kind(servers)

        async def story() -> None:
            # a itself answers at the address of b.
            await world.start(B, C)
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            first = next(one for one in addresses.all if one.url == B.url)
            assert not addresses.answered(first, ME, known=False)
            assert dialled(addresses) == [C.url]

        run(world, story)


@kinds("gossip")
class TestADiscoveryWithAnnouncements:
    def test_never_leads_to_this_process(self, kind: Kind, servers: Shared) -> None:
        world = kind(servers)

        async def story() -> None:
            await world.start(B)
            await until(lambda: others(world.discovery) == [B.url], "it sees b")
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            assert dialled(addresses) == [B.url]

        run(world, story)

    def test_sees_processes_come_and_go(self, kind: Kind, servers: Shared) -> None:
        world = kind(servers)

        async def story() -> None:
            await world.start(B)
            await world.come(C)
            await until(lambda: others(world.discovery) == [B.url, C.url], "c is announced")
            await world.go(B)
            await until(lambda: others(world.discovery) == [C.url], "b is withdrawn")

        run(world, story)

    def test_follows_a_node_that_moves(self, kind: Kind, servers: Shared) -> None:
        world = kind(servers)

        async def story() -> None:
            await world.start(B, C)
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            assert dialled(addresses) == [B.url, C.url]
            await world.go(B)
            moved = Hello("b", "d" * 16, "http://10.0.0.4:1")
            await world.come(moved)
            await until(lambda: others(world.discovery) == [C.url, moved.url], "it has moved")
            assert dialled(addresses) == [C.url, moved.url]

        run(world, story)

    def test_names_the_node_and_the_process(self, kind: Kind, servers: Shared) -> None:
        world = kind(servers)

        async def story() -> None:
            await world.start(B)
            assert Address(B.url, B.node, B.process) in world.discovery.seen()

        run(world, story)


class TestADiscoveryWithARegistry:
    def test_keeps_its_last_look_while_the_registry_is_down(self) -> None:
        world = InMemory()

        async def story() -> None:
            await world.start(B, C)
            world.registry.down = True
            # When the registry is back, all leases have ended, so b and c must announce themselves.
            world.registry.forget()
            await until(lambda: world.registry.refusals > 4, "all have tried in vain")
            assert others(world.discovery) == [B.url, C.url]
            world.registry.down = world.registry.forgetful = False
            await until(lambda: len(world.registry.look()) == 3, "all are announced again")

        run(world, story)

    def test_forgets_a_killed_process_when_its_lease_ends(self) -> None:
        world = InMemory(lease_s=1.0)

        async def story() -> None:
            await world.start(B)
            world.registry.announce(Address(C.url, C.node, C.process))
            await until(lambda: others(world.discovery) == [B.url, C.url], "c is announced")
            await until(lambda: others(world.discovery) == [B.url], "only b renews its lease")

        run(world, story)


class TestGivenAddresses:
    def test_are_dialled_whichever_node_answers_there(self) -> None:
        addresses = Addresses(ME, [Static([B.url])], lambda _node: True)
        for hello in (B, C):
            assert addresses.answered(addresses.all[0], hello, known=False)
            assert dialled(addresses) == [B.url]
