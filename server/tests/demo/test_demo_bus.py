"""The demo over a bus: its nodes hear each other there alone, and a page can cut one off."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ratchet.changes import Changes
from ratchet.slot import Slot
from ratchet_server.demo import wires
from ratchet_server.demo.machine import DemoError
from ratchet_server.peering.on_demand import STAY_S as ON_DEMAND_S
from ratchet_server.settings import SettingError
from ratchet_server.settings.buses import buses

from testing.brokers import MULTICAST, wire_url
from testing.demo import Demo, running_demo
from testing.disk import fill, many
from testing.nodes import HTTP, wait_until
from testing.servers.shared import Shared

VIDEO = "tide"


@pytest.fixture(scope="module", params=["nats", MULTICAST])
def demo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """One demo on each of these buses, for all tests."""
    with Shared(tmp_path_factory.mktemp("servers")) as servers:
        url = wire_url(request.param, servers)
        with running_demo(tmp_path_factory.mktemp("demo"), bus=url) as demo:
            yield demo


def how(demo: Demo, name: str) -> dict[str, str]:
    """How this node reaches each other one, in the words of its report."""
    members = HTTP.get(f"{demo.url(name)}/api/cluster").json()["members"]
    return {one["node"]: one["how"]["text"] for one in members if one["state"] == "connected"}


class TestCutting:
    def test_a_cut_node_counts_alone_until_it_is_healed(self, demo: Demo) -> None:
        demo.mend()
        before = demo.view("a", VIDEO)
        wait_until(lambda: demo.views("c", VIDEO) == before, "c has the view")
        assert all(re.match(r"heard \d s ago on \w+://", text) for text in how(demo, "a").values())

        assert demo.act("c", "cut").status_code == 200
        wait_until(lambda: not demo.connected_to("c"), "c hears no node")
        wait_until(lambda: demo.connected_to("a") == {"b"}, "a hears b alone")
        demo.view("a", VIDEO)
        demo.view("c", VIDEO)
        wait_until(lambda: demo.views("b", VIDEO) == before + 1, "b has a's view")
        assert demo.views("c", VIDEO) == before + 1
        assert demo.views("a", VIDEO) == before + 1

        assert demo.act("c", "heal").status_code == 200
        wait_until(
            lambda: {demo.views(name, VIDEO) for name in "abc"} == {before + 2}, "all have all"
        )

    def test_two_cut_nodes_don_t_hear_each_other(self, demo: Demo) -> None:
        demo.mend()
        demo.act("b", "cut")
        demo.act("c", "cut")
        wait_until(lambda: not any(map(demo.connected_to, "abc")), "no node hears another")
        demo.act("b", "heal")
        wait_until(lambda: demo.connected_to("a") == {"b"}, "a hears b")
        assert demo.connected_to("c") == set()

    def test_a_killed_node_is_back_in_its_cluster(self, demo: Demo) -> None:
        demo.mend()
        demo.act("b", "kill")
        demo.act("b", "start")
        wait_until(lambda: demo.is_connected_to_all("b"), "b hears all")

    def test_the_page_can_say_what_joins_the_nodes(self, demo: Demo) -> None:
        wire = demo.state()["wire"]
        assert re.match(r"(nats|multicast)://", wire["over"])
        assert wire["why_uncut"] is None
        assert f"wire      {wire['over']}" in demo.printed


def test_a_cut_ends_what_was_dialled_for_much_and_lets_nobody_dial(tmp_path: Path) -> None:
    data = tmp_path / "data" / "demo"
    data.mkdir(parents=True)
    fill(data / "a", Changes(columns=(many(Slot("a", 1), 10_000),), newest={"a": 1}))
    url = wire_url(MULTICAST, Shared(tmp_path))
    with running_demo(tmp_path, bus=url) as demo:
        # It dials whoever sends it much: a, or b, which has it from a.
        wait_until(lambda: "websocket" in " ".join(how(demo, "c").values()), "c has dialled")
        demo.act("c", "cut")
        # If nobody cut it, it would end after half a minute.
        wait_until(lambda: not demo.connected_to("c"), "c hears no node", ON_DEMAND_S / 2)
        wait_until(lambda: demo.connected_to("a") == {"b"}, "a hears b alone")
        demo.act("c", "heal")
        wait_until(lambda: demo.is_connected_to_all("c"), "c hears all")


class TestTheUrl:
    def environ(self, url: str, *nodes: str) -> dict[str, str]:
        """What the first of these nodes is given."""

        async def made() -> dict[str, str]:
            ports = dict.fromkeys(nodes or ("a", "b"), 1)
            async with wires.over(url)(ports, ["x" * 32]) as wire:
                return dict(wire.environ(next(iter(ports))))

        return asyncio.run(made())

    def test_a_node_is_led_to_the_relay_with_its_login(self) -> None:
        environ = self.environ("redis://u:p%40%2F@10.0.0.1:6379/3?cluster=films")
        (url,) = buses([environ["RATCHET_BUS"]])
        assert (url.user, url.password, url.path, url.cluster) == ("u", "p@/", "3", "films")
        (relay,) = url.hosts
        assert relay.name == "127.0.0.1"
        assert relay.port != 6379
        assert environ["RATCHET_PEER"] == ""

    def test_a_demo_has_a_cluster_of_its_own(self) -> None:
        first, second = (self.environ("nats://10.0.0.1")["RATCHET_BUS"] for _ in range(2))
        assert re.search(r"cluster=demo-[0-9a-f]{8}$", first)
        assert first.rpartition("=")[2] != second.rpartition("=")[2]

    def test_what_is_no_bus_is_refused(self) -> None:
        with pytest.raises(SettingError, match="--bus: a bus is nats://"):
            wires.over("http://127.0.0.1:4222")

    def test_on_a_foreign_broker_the_nodes_need_a_secret(self) -> None:
        async def made() -> None:
            async with wires.over("nats://10.0.0.1")({"a": 1}, []):
                pass

        with pytest.raises(SettingError, match="needs a secret"):
            asyncio.run(made())

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("multicast://239.255.77.1:65535?iface=lo", "begin at a lower one"),
            ("multicast://239.255.77.1:7946?iface=nothing0", "there is no interface"),
        ],
    )
    def test_a_group_that_can_t_be_used_is_said_before_a_node_starts(
        self, url: str, why: str
    ) -> None:
        with pytest.raises(DemoError, match=why):
            self.environ(url)


class TestWhatCanNotBeCut:
    def test_the_demo_says_so(self, tmp_path: Path) -> None:
        # No broker is there. The nodes count alone.
        with running_demo(tmp_path, 1, bus="kafka://127.0.0.1:1/films") as demo:
            state = demo.state()
            assert state["nodes"][0]["cut"] is None
            assert "the address that the broker advertises" in state["wire"]["why_uncut"]
            for action in ("cut", "heal"):
                answer = demo.act("a", action)
                assert (answer.status_code, answer.json()["error"]) == (409, "no_cut")

    @pytest.mark.parametrize("url", ["nats+tls://127.0.0.1:4222", "redis://[::1]:6379"])
    def test_nor_what_a_relay_would_break(self, url: str) -> None:
        async def made() -> None:
            async with wires.over(url)({"a": 1}, ["x" * 32]) as wire:
                assert wire.why_uncut
                (given,) = buses([wire.environ("a")["RATCHET_BUS"]])
                assert given.hosts == buses([url])[0].hosts

        asyncio.run(made())
