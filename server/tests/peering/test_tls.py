"""Buses and registries over TLS: a certificate that is trusted is enough; others are named."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import pytest
from ratchet_server.peering.bus.port import BusError
from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.known import registry
from ratchet_server.peering.registry.port import RegistryError
from ratchet_server.settings.registries import RegistryUrl, registry_urls

from testing.accepting import answering
from testing.brokers import BROKERS, bus_at
from testing.certificates import Authority
from testing.nodes import HOST
from testing.servers.etcd import Etcd
from testing.servers.server import Server
from testing.stations import Station
from testing.transports import until

# What `ssl` says.
UNKNOWN: Final = "unable to get local issuer certificate"
OTHER_HOST: Final = "certificate is not valid for '127.0.0.1'"
SLOW: Final = {"rabbitmq", "kafka"}


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.wires] if name in SLOW else []) for name in BROKERS
    ]
)
def kind(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """What makes the server of each broker."""
    return BROKERS[request.param]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_trusted_certificate_for_this_host_is_enough(
    kind: Callable[..., Any],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        with Server(kind(tls=authority.issue(HOST)), tmp_path / "server") as server:
            await server.start()
            assert UNKNOWN in await _refusal(server.url)
            authority.is_trusted(monkeypatch)
            a, b = (Station(name, bus_at(server.url, "test"), "test", beat_s=0.5) for name in "ab")
            async with a.running(), b.running():
                await until(lambda: a.present and b.present, "they hear each other")

    asyncio.run(story())


def test_a_certificate_for_another_host_is_named(
    kind: Callable[..., Any],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        with Server(kind(tls=authority.issue("broker.example")), tmp_path / "server") as server:
            await server.start()
            authority.is_trusted(monkeypatch)
            assert OTHER_HOST in await _refusal(server.url)

    asyncio.run(story())


def test_no_password_is_sent_to_a_nats_server_that_does_not_ask_for_tls() -> None:
    async def story() -> None:
        said = []

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'INFO {"max_payload":1048576,"auth_required":true}\r\n')
            said.append(await reader.read())
            writer.close()

        async with answering(greet) as port:
            why = await _refusal(f"nats+tls://user:hunter2@{HOST}:{port}")
            await until(lambda: said, "it has gone")
        assert "does not ask for TLS" in why
        assert said == [b""]

    asyncio.run(story())


@pytest.mark.parametrize(("host", "why"), [(HOST, ""), ("registry.example", OTHER_HOST)])
def test_a_registry_is_called_if_its_certificate_is_trusted_and_for_its_host(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, why: str
) -> None:
    async def story() -> None:
        with Server(Etcd(tls=authority.issue(host)), tmp_path / "etcd") as server:
            await server.start()
            (url,) = registry_urls([f"{server.url}/test"])
            with pytest.raises(RegistryError, match=UNKNOWN):
                await _look(url)
            authority.is_trusted(monkeypatch)
            if why:
                with pytest.raises(RegistryError, match=why):
                    await _look(url)
            else:
                assert await _look(url) == []

    asyncio.run(story())


async def _look(url: RegistryUrl) -> Collection[Address]:
    found = registry(url)
    try:
        return await found.look()
    finally:
        await found.close()


async def _refusal(url: str) -> str:
    """Why the bus can't be used."""
    with pytest.raises(BusError) as error:
        async with bus_at(url, "test").connect("a" * 16, lambda _message: None):
            pass
    return str(error.value)
