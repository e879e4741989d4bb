"""Promises of every discovery. For a new one, write a `World` here, and add it to the lists."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Protocol

import pytest
from ratchet.frames import Hello
from ratchet.replica import Replica
from ratchet_server.peering.addresses import Addresses
from ratchet_server.peering.gossip import Gossip
from ratchet_server.peering.ports import Address, Discovery
from ratchet_server.peering.static import Static

from testing.nodes import PATIENCE_S
from testing.registry import Registry, RegistryDiscovery
from testing.transports import until

ME = Hello("a", "a" * 16, "http://a:1")
B, C = Hello("b", "b" * 16, "http://b:1"), Hello("c", "c" * 16, "http://c:1")


class World(Protocol):
    """The processes around node a, which its discovery should find."""

    # The discovery of node a. It may not exist before `start`.
    discovery: Discovery

    async def start(self, *others: Hello) -> None:
        """Start these processes, and then a."""

    async def end(self) -> None:
        """End all processes."""

    async def come(self, other: Hello) -> None:
        """Start another process."""

    async def go(self, other: Hello) -> None:
        """End a process in order."""

    def blind(self) -> None:
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

    def blind(self) -> None:
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

    def blind(self) -> None:
        for process in [*self._replica.peers.by_process]:
            self._replica.left(process)


class Registered:
    """Addresses that others announce in a registry."""

    def __init__(self, *, lease_s: float = 2 * PATIENCE_S) -> None:
        """By default a lease lasts longer than a test waits: a node that ends must withdraw its
        address, and not leave it until the lease ends."""
        self.registry = Registry(lease_s=lease_s)
        self.discovery: Discovery = RegistryDiscovery(self.registry)
        self._running: dict[Hello, asyncio.Task[None]] = {}

    async def start(self, *others: Hello) -> None:
        for other in others:
            await self.come(other)
        self._running[ME] = asyncio.create_task(self.discovery.run(ME))
        await until(lambda: len(self.discovery.seen()) > len(others), "all are announced")

    async def end(self) -> None:
        for one in [*self._running]:
            await self.go(one)

    async def come(self, other: Hello) -> None:
        discovery = RegistryDiscovery(self.registry)
        self._running[other] = asyncio.create_task(discovery.run(other))

    async def go(self, other: Hello) -> None:
        task = self._running.pop(other)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    def blind(self) -> None:
        self.registry.forget()


Story = Callable[[], Awaitable[None]]


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


@pytest.mark.parametrize("kind", [Given, Gossiped, Registered])
class TestEveryDiscovery:
    def test_sees_all_in_each_look(self, kind: type[World]) -> None:
        world = kind()

        async def story() -> None:
            await world.start(B, C)
            for _ in range(2):
                # Without the slash that people write after a host.
                assert others(world.discovery) == [B.url, C.url]
                assert {*world.discovery.expected()} <= {one.url for one in world.discovery.seen()}
                for one in world.discovery.seen():
                    assert (one.node is None) == (one.process is None)

        run(world, story)

    def test_a_look_that_finds_nobody_drops_nobody(self, kind: type[World]) -> None:
        world = kind()

        async def story() -> None:
            await world.start(B, C)
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            assert dialled(addresses) == [B.url, C.url]
            world.blind()
            if kind is not Given:
                await until(lambda: not others(world.discovery), "it sees nobody")
            assert dialled(addresses) == [B.url, C.url]

        run(world, story)

    def test_no_node_dials_itself_again_once_it_has_answered(self, kind: type[World]) -> None:
        world = kind()

        async def story() -> None:
            # a itself answers at the address of b.
            await world.start(B, C)
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            first = next(one for one in addresses.all if one.url == B.url)
            assert not addresses.answered(first, ME, known=False)
            assert dialled(addresses) == [C.url]

        run(world, story)


@pytest.mark.parametrize("kind", [Gossiped, Registered])
class TestADiscoveryWithAnnouncements:
    def test_never_leads_to_this_process(self, kind: type[World]) -> None:
        world = kind()

        async def story() -> None:
            await world.start(B)
            await until(lambda: others(world.discovery) == [B.url], "it sees b")
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            assert dialled(addresses) == [B.url]

        run(world, story)

    def test_sees_processes_come_and_go(self, kind: type[World]) -> None:
        world = kind()

        async def story() -> None:
            await world.start(B)
            await world.come(C)
            await until(lambda: others(world.discovery) == [B.url, C.url], "c is announced")
            await world.go(B)
            await until(lambda: others(world.discovery) == [C.url], "b is withdrawn")

        run(world, story)

    def test_follows_a_node_that_moves(self, kind: type[World]) -> None:
        world = kind()

        async def story() -> None:
            await world.start(B, C)
            addresses = Addresses(ME, [world.discovery], lambda _node: False)
            assert dialled(addresses) == [B.url, C.url]
            await world.go(B)
            moved = Hello("b", "d" * 16, "http://d:1")
            await world.come(moved)
            await until(lambda: others(world.discovery) == [C.url, moved.url], "it has moved")
            assert dialled(addresses) == [C.url, moved.url]

        run(world, story)

    def test_names_the_node_and_the_process(self, kind: type[World]) -> None:
        world = kind()

        async def story() -> None:
            await world.start(B)
            assert Address(B.url, B.node, B.process) in world.discovery.seen()

        run(world, story)


class TestADiscoveryWithARegistry:
    def test_keeps_its_last_look_while_the_registry_is_down(self) -> None:
        world = Registered()

        async def story() -> None:
            await world.start(B, C)
            world.registry.down = True
            # When the registry is back, all leases have ended, so b and c must announce themselves.
            world.registry.forget()
            await until(lambda: world.registry.refusals > 10, "all have tried in vain")
            assert others(world.discovery) == [B.url, C.url]
            world.registry.down = world.registry.forgetful = False
            await until(lambda: len(world.registry.look()) == 3, "all are announced again")

        run(world, story)

    def test_forgets_a_killed_process_when_its_lease_ends(self) -> None:
        world = Registered(lease_s=0.5)

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
