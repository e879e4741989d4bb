"""Names of several hosts: all of them are dialled."""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from ratchet.frames import Frame, Hello
from ratchet_server.http.guard import Guard
from ratchet_server.http.peer import peer
from ratchet_server.http.server import listen
from ratchet_server.peering.addresses import Addresses
from ratchet_server.peering.mesh import Mesh
from ratchet_server.peering.shared import ENOUGH, OFTEN_S, SELDOM_S, Shared
from ratchet_server.peering.static import Static
from ratchet_server.peering.turns import Turns

from testing.nodes import free_port
from testing.transports import OpenDoor, served, until


def known(*addresses: str) -> list[tuple[Any, ...]]:
    """What a resolver answers."""
    kinds = {True: socket.AF_INET6, False: socket.AF_INET}
    return [(kinds[":" in each], socket.SOCK_STREAM, 6, "", (each, 1234)) for each in addresses]


class TestTurns:
    def turns(self, *answers: Sequence[str]) -> list[tuple[str, int, int]]:
        """The turns while the resolver gives these answers, one after the other."""
        left = [*answers]

        async def resolve(_host: str, _port: int) -> Sequence[tuple[Any, ...]]:
            return known(*left.pop(0))

        async def story() -> list[tuple[str, int, int]]:
            turns = Turns(resolve)
            return [tuple(await turns.next("http://peers.test:1234")) for _ in answers]  # type: ignore[misc]

        return asyncio.run(story())

    def test_go_through_all_hosts_in_whatever_order_the_resolver_has_them(self) -> None:
        taken = self.turns(
            *(("10.0.0.1", "10.0.0.2", "10.0.0.3"), ("10.0.0.3", "10.0.0.1", "10.0.0.2")) * 3
        )
        assert {turn[0] for turn in taken[:3]} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
        assert [turn[0] for turn in taken[:3]] == [turn[0] for turn in taken[3:]]
        assert {turn[1:] for turn in taken} == {(3, 3)}

    def test_look_the_name_up_each_time(self) -> None:
        assert [turn[0] for turn in self.turns(["10.0.0.1"], ["10.0.0.2"])] == [
            "10.0.0.1",
            "10.0.0.2",
        ]

    def test_take_a_host_with_two_kinds_of_address_for_one(self) -> None:
        taken = self.turns(("::1", "127.0.0.1"), ("::1", "127.0.0.1"))
        assert {turn[0] for turn in taken} == {"::1", "127.0.0.1"}
        assert {turn[1:] for turn in taken} == {(2, 1)}

    @pytest.mark.parametrize("host", ["10.0.0.1", "[::1]"])
    def test_don_t_look_up_what_is_no_name(self, host: str) -> None:
        async def resolve(host: str, _port: int) -> Sequence[tuple[Any, ...]]:
            raise AssertionError(host)

        turn = asyncio.run(Turns(resolve).next(f"http://{host}:1234"))
        assert turn == (host.strip("[]"), 1, 1)


class TestShared:
    def test_is_asked_often_until_each_host_had_its_turn(self) -> None:
        shared, many = Shared(), 3 * ENOUGH
        shared.leads_to("http://peers.test:1", many)
        for _ in range(many):
            assert shared.open
            assert shared.pause_s("http://peers.test:1") == OFTEN_S
            shared.answered("http://peers.test:1", known=True)
        assert not shared.open
        assert shared.pause_s("http://peers.test:1") == SELDOM_S


class Meeting:
    """An inbox that only notes who is there."""

    def __init__(self) -> None:
        self.there: set[str] = set()

    async def receive(self, frame: Frame, process: str) -> None:
        """Nobody sends anything."""

    def joined(self, hello: Hello) -> None:
        self.there.add(hello.node)

    def left(self, process: str) -> None:
        """Nobody does."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
class TestNodesBehindOneName:
    def test_all_find_each_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        port = free_port()
        hosts = {"a": "127.0.0.1", "b": "127.0.0.2", "c": "127.0.0.3"}
        real = socket.getaddrinfo

        def resolve(host: str, *rest: Any, **more: Any) -> Any:
            # Always in the same order, as many systems have it.
            if host == "peers.test":
                return known(*hosts.values())
            return real(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

        async def story() -> None:
            async with AsyncExitStack() as stack:
                meetings = {}
                for name, host in hosts.items():
                    me = Hello(name, name * 16, f"http://{host}:{port}")
                    given = Static([f"http://peers.test:{port}"])
                    mesh = Mesh(
                        me, Addresses(me, [given], lambda _node: False), OpenDoor(me), secret=None
                    )
                    sock = stack.enter_context(listen(host, port))
                    await stack.enter_async_context(served(peer(mesh, Guard(())), sock))
                    meetings[name] = Meeting()
                    running = asyncio.create_task(mesh.run(meetings[name]))
                    stack.push_async_callback(asyncio.wait, (running,))
                    stack.callback(running.cancel)
                for name, meeting in meetings.items():
                    others = {*hosts} - {name}
                    await until(
                        lambda meeting=meeting, others=others: meeting.there == others,  # type: ignore[misc]
                        f"{name} has met the others",
                    )

        asyncio.run(story())
