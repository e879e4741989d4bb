"""Looking nodes up in the DNS, at a real server on loopback."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from ratchet_server.peering.registry.known import registry
from ratchet_server.peering.registry.port import CALL_S, Registry, RegistryError
from ratchet_server.settings.registries import registry_urls

from testing.dns import Zone, dns_server

A_AND_B = [
    "peers.test. 5 IN A 10.0.0.1",
    "peers.test. 5 IN A 10.0.0.2",
    "peers.test. 5 IN AAAA fd00::3",
]


@pytest.fixture
def zone() -> Iterator[Zone]:
    with dns_server() as served:
        yield served


def at(zone: Zone, url: str) -> Registry:
    (parsed,) = registry_urls([f"{url}?server={zone.at}"])
    return registry(parsed)


def look(found: Registry) -> list[str]:
    async def once() -> list[str]:
        async with asyncio.timeout(CALL_S):
            return sorted(one.url for one in await found.look())

    return asyncio.run(once())


class TestHosts:
    def test_gives_all_addresses_of_a_name_with_one_port(self, zone: Zone) -> None:
        zone.hold(*A_AND_B, "other.test. 5 IN A 10.0.0.9")
        assert look(at(zone, "dns://peers.test:1234")) == [
            "http://10.0.0.1:1234",
            "http://10.0.0.2:1234",
            "http://[fd00::3]:1234",
        ]

    def test_follows_an_alias(self, zone: Zone) -> None:
        zone.hold("peers.test. 5 IN CNAME real.test.", "real.test. 5 IN A 10.0.0.1")
        assert look(at(zone, "dns://peers.test:1234")) == ["http://10.0.0.1:1234"]

    def test_takes_more_addresses_than_fit_into_a_datagram(self, zone: Zone) -> None:
        zone.hold(*(f"peers.test. 5 IN A 10.0.1.{n}" for n in range(200)))
        assert len(look(at(zone, "dns://peers.test:1234"))) == 200
        assert {way for _, kind, way in zone.asked if kind == "A"} == {"udp", "tcp"}

    @pytest.mark.parametrize("lines", [[], ["peers.test. 5 IN TXT nothing"]])
    def test_gives_nothing_for_a_name_without_addresses(self, zone: Zone, lines: list[str]) -> None:
        zone.hold(*lines)
        assert look(at(zone, "dns://peers.test:1234")) == []

    def test_raises_if_the_server_fails_or_is_silent_and_in_time(self, zone: Zone) -> None:
        zone.hold(*A_AND_B)
        found = at(zone, "dns://peers.test:1234")
        zone.manner = "fail"
        with pytest.raises(RegistryError, match="SERVFAIL"):
            look(found)
        zone.manner = "nothing"
        with pytest.raises(RegistryError, match="does not answer"):
            look(found)

    def test_takes_one_kind_of_address_if_the_server_fails_for_the_other(self, zone: Zone) -> None:
        zone.hold(*A_AND_B)
        zone.fails_for = {"AAAA"}
        assert len(look(at(zone, "dns://peers.test:1234"))) == 2
        # But if the first kind has none, nothing is known.
        zone.hold(*A_AND_B[2:])
        with pytest.raises(RegistryError):
            look(at(zone, "dns://peers.test:1234"))

    @pytest.mark.parametrize(("ttl", "least_s", "most_s"), [(0, 1, 1.9), (2, 1.5, 2.9)])
    def test_waits_for_as_long_as_the_answer_counts(
        self, zone: Zone, ttl: int, least_s: float, most_s: float
    ) -> None:
        zone.hold(f"peers.test. {ttl} IN A 10.0.0.1", "peers.test. 3000 IN AAAA fd00::3")
        found = at(zone, "dns://peers.test:1234")

        async def story() -> float:
            await found.look()
            began = time.monotonic()
            await found.wait(10)
            return time.monotonic() - began

        # dnspython's clock has whole seconds.
        assert least_s - 1 <= asyncio.run(story()) <= most_s


class TestServices:
    def test_gives_the_addresses_of_each_target_with_its_port(self, zone: Zone) -> None:
        zone.hold(
            "_peer._tcp.ratchet.test. 0 IN SRV 0 0 1234 a.test.",
            "_peer._tcp.ratchet.test. 0 IN SRV 0 0 1235 b.test.",
            "_peer._tcp.ratchet.test. 0 IN SRV 0 0 1236 gone.test.",
            "a.test. 0 IN A 10.0.0.1",
            "b.test. 0 IN A 10.0.0.2",
            "b.test. 0 IN AAAA fd00::2",
        )
        assert look(at(zone, "dns+srv://_peer._tcp.ratchet.test")) == [
            "http://10.0.0.1:1234",
            "http://10.0.0.2:1235",
            "http://[fd00::2]:1235",
        ]

    def test_gives_nothing_for_a_service_without_nodes(self, zone: Zone) -> None:
        assert look(at(zone, "dns+srv://_peer._tcp.ratchet.test")) == []

    def test_raises_if_a_target_can_not_be_looked_up(self, zone: Zone) -> None:
        zone.hold("_peer._tcp.ratchet.test. 0 IN SRV 0 0 1234 a.test.")
        zone.fails_for = {"A", "AAAA"}
        with pytest.raises(RegistryError, match="SERVFAIL"):
            look(at(zone, "dns+srv://_peer._tcp.ratchet.test"))

    def test_of_kubernetes_has_a_name_that_follows_from_two(self, zone: Zone) -> None:
        zone.hold(
            "_peer._tcp.nodes.default.svc.cluster.local. 0 IN SRV 0 0 1234 a.test.",
            "a.test. 0 IN A 10.0.0.1",
        )
        assert look(at(zone, "kubernetes://nodes.default")) == ["http://10.0.0.1:1234"]
