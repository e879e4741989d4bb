"""HAProxy follows a node whose name gets another address, and keeps one that the DNS forgets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from balancer_cluster import HERE, answers, haproxy

from testing.dns import Zone, dns_server
from testing.nodes import HOST, free_port, wait_until
from testing.processes import running

# Where no node is.
ELSEWHERE = "127.0.0.2"
# The DNS, HAProxy's address, and its log.
Resolving = tuple[Zone, str, Path]


@pytest.fixture
def resolving(tmp_path: Path) -> Iterator[Resolving]:
    """HAProxy in front of one node, `a.test`, which the DNS does not have yet."""
    port, bind, log = free_port(), f"{HOST}:{free_port()}", tmp_path / "balancer.log"
    command = haproxy([f"a=a.test:{port}"], bind, tmp_path)
    stub = [sys.executable, str(HERE / "stub_node.py"), "a", str(port)]
    with dns_server() as zone, running(stub, tmp_path / "a.log"):
        wait_until(partial(answers, f"{HOST}:{port}", "/readyz"), "the node answers")
        # It asks our server, from the start on.
        file = tmp_path / "haproxy.cfg"
        text = file.read_text().replace("parse-resolv-conf", f"nameserver test {zone.at}")
        file.write_text(text.replace("init-addr last,libc,none", "init-addr none"))
        with running(command, log):
            wait_until(partial(answers, bind, "/healthz"), "the balancer answers")
            yield zone, bind, log


def test_a_node_that_has_another_address_now_is_found_there(resolving: Resolving) -> None:
    zone, bind, log = resolving
    zone.hold(f"a.test. 0 IN A {ELSEWHERE}")
    wait_until(lambda: f"to {ELSEWHERE} by" in log.read_text(), "it has the first address")
    zone.hold(f"a.test. 0 IN A {HOST}")
    wait_until(partial(answers, bind, "/readyz"), "it has found the node")


def test_a_name_that_the_dns_has_lost_keeps_its_address(resolving: Resolving) -> None:
    zone, bind, _ = resolving
    zone.hold(f"a.test. 0 IN A {HOST}")
    wait_until(partial(answers, bind, "/readyz"), "it has found the node")

    def asks_again() -> None:
        asked = len(zone.asked)
        wait_until(lambda: len(zone.asked) > asked + 3, "it asks the DNS again")
        assert answers(bind, "/readyz")

    zone.hold("a.test. 0 IN TXT gone")
    asks_again()
    zone.hold()
    asks_again()
