"""Registries: names in the DNS. Others maintain them: Kubernetes, Compose, Consul, an operator.

`Hosts` takes every A and AAAA record of a name, and one port for all. `Services` takes SRV records,
and the A and AAAA records of each target. If a name does not exist, or has no such records, that is
a good answer without addresses. If a server fails or is silent, that is an error.
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any, Final

from dns.asyncresolver import Resolver
from dns.exception import DNSException, Timeout
from dns.nameserver import Do53Nameserver
from dns.resolver import NXDOMAIN, NoAnswer

from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.port import RegistryError, check_number
from ratchet_server.settings.registries import RegistryUrl

# How long a request may take. A look makes one after the other two for SRV.
REQUEST_S: Final = 1.4
# How long an answer counts, whatever its TTL. A TTL of 0 means: ask each time.
_TTL_S: Final = (1.0, 30.0)


class Hosts:
    """The hosts of a name: `dns://name:port`. It knows no node by its name."""

    announces = False

    def __init__(self, url: RegistryUrl, *, lease_s: float) -> None:  # noqa: ARG002  # no lease
        self._url = url
        self._dns = Dns(url.servers)

    async def look(self) -> Collection[Address]:
        hosts = await self._dns.hosts(self._url.name)
        check_number(len(hosts))
        return [_address(host, self._url.port or 0) for host in hosts]

    async def wait(self, at_most_s: float) -> None:
        await self._dns.wait(at_most_s)

    async def announce(self, own: Address) -> None:
        """Others maintain the name."""

    async def withdraw(self) -> None:
        """Others maintain the name."""

    async def close(self) -> None:
        """No connection lasts."""


class Services:
    """The targets of a name's SRV records: `dns+srv://_peer._tcp.name`."""

    announces = False

    def __init__(self, url: RegistryUrl, *, lease_s: float) -> None:  # noqa: ARG002  # no lease
        self._url = url
        self._dns = Dns(url.servers)

    async def look(self) -> Collection[Address]:
        records = await self._dns.get(self._url.name, "SRV")
        check_number(len(records))
        services = sorted({(str(record.target), record.port) for record in records})
        # The system's resolver need not know the targets, so ask the same server.
        found = await asyncio.gather(*(self._dns.hosts(target) for target, _ in services))
        return [
            _address(host, port)
            for (_, port), hosts in zip(services, found, strict=True)
            for host in hosts
        ]

    async def wait(self, at_most_s: float) -> None:
        await self._dns.wait(at_most_s)

    async def announce(self, own: Address) -> None:
        """Others maintain the name."""

    async def withdraw(self) -> None:
        """Others maintain the name."""

    async def close(self) -> None:
        """No connection lasts."""


class Dns:
    """Looks names up, and remembers for how long the answers count."""

    def __init__(self, servers: Iterable[str]) -> None:
        """`servers`: of the form host:port; empty: those of the system."""
        self._servers = [_nameserver(server) for server in servers]
        self._expires = 0.0

    async def hosts(self, name: str) -> list[str]:
        """The IPv4 and IPv6 addresses of a name. One kind suffices if the request for the other
        fails: some servers can't answer for AAAA. Raises `RegistryError`."""
        answers = await asyncio.gather(
            self.get(name, "A"), self.get(name, "AAAA"), return_exceptions=True
        )
        hosts = []
        for answer in answers:
            if not isinstance(answer, BaseException):
                hosts += [record.address for record in answer]
        for answer in answers:
            if isinstance(answer, BaseException) and not (
                hosts and isinstance(answer, RegistryError)
            ):
                raise answer
        return hosts

    async def get(self, name: str, kind: str) -> list[Any]:
        """The records of one kind, as `dns.rdtypes` has them. Raises `RegistryError`."""
        try:
            # It reads resolv.conf anew, because that changes when the machine's network does.
            resolver = Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = self._servers
            answer = await resolver.resolve(name, kind, lifetime=REQUEST_S, search=True)
        except (NXDOMAIN, NoAnswer):
            self._count_for(0)
            return []
        except Timeout:
            raise RegistryError("does not answer") from None
        except DNSException as error:
            raise RegistryError(f"fails: {error}") from None
        self._count_for(answer.expiration - time.time())
        return [*answer]

    async def wait(self, at_most_s: float) -> None:
        """Wait until the first answer of the last look has expired."""
        await asyncio.sleep(min(at_most_s, max(self._expires - _now(), _TTL_S[0])))
        self._expires = 0.0

    def _count_for(self, ttl_s: float) -> None:
        expires = _now() + min(max(ttl_s, _TTL_S[0]), _TTL_S[1])
        self._expires = min(self._expires or expires, expires)


def _address(host: str, port: int) -> Address:
    return Address(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


def _nameserver(server: str) -> Do53Nameserver:
    host, _, port = server.rpartition(":")
    return Do53Nameserver(host.strip("[]"), int(port))


def _now() -> float:
    return asyncio.get_running_loop().time()
