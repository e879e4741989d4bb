"""A cluster for the balancers' tests: three stub nodes and a balancer, all real processes."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest
from ratchet_server.demo import balancer

from testing import packages
from testing.nodes import HOST, free_port, wait_until
from testing.processes import Process, running

HERE = Path(__file__).parent
PATIENCE_S = 20.0


@dataclasses.dataclass(frozen=True)
class StubNode:
    """A stub node's process and its own address."""

    name: str
    address: str
    process: Process

    def set_ready(self, ready: bool) -> None:
        httpx.post(f"http://{self.address}/stub/ready/{int(ready)}").raise_for_status()

    def seen(self) -> list[str]:
        """Every request that reached this node, as "METHOD path"."""
        answer: list[str] = httpx.get(f"http://{self.address}/stub/seen").json()
        return answer


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Three nodes behind one balancer."""

    address: str
    nodes: tuple[StubNode, ...]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://{self.address}", timeout=PATIENCE_S)

    def fetch_from(self, count: int, path: str) -> list[str]:
        """Request `path` `count` times on one client. Returns the nodes that answered, in order."""
        with self.client() as client:
            return [client.get(path).headers.get("X-Ratchet-Node", "-") for _ in range(count)]


def answers(address: str, path: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://{address}{path}").status_code == 200
    return False


def haproxy(nodes: Sequence[str], bind: str, folder: Path) -> list[str]:
    """The command that starts HAProxy in front of `nodes`. Without HAProxy, as on a machine where
    nobody may install it, the test is skipped, and with `CI=true` it fails."""
    try:
        return balancer.haproxy(nodes, bind, folder)
    except balancer.Unusable as reason:
        if packages.in_ci():
            raise
        pytest.skip(f"the real balancer can't run here: {reason}")


@contextlib.contextmanager
def start_cluster(kind: str, folder: Path, *, more: str = "") -> Iterator[Cluster]:
    """`more`: a line for the frontend in HAProxy's configuration."""
    with contextlib.ExitStack() as stack:
        nodes = []
        for name in "abc":
            port = free_port()
            address = f"{HOST}:{port}"
            stub = [sys.executable, str(HERE / "stub_node.py"), name, str(port)]
            nodes.append(
                StubNode(name, address, stack.enter_context(running(stub, folder / f"{name}.log")))
            )
        for node in nodes:
            wait_until(partial(answers, node.address, "/readyz"), f"stub {node.name} answers")
        # The first node is given without its name, so that both forms are tested side by side.
        given = [nodes[0].address, *(f"{node.name}={node.address}" for node in nodes[1:])]
        bind = f"{HOST}:{free_port()}"
        if kind == "haproxy":
            command = haproxy(given, bind, folder)
            file = folder / "haproxy.cfg"
            own = f"bind {bind}\n"
            file.write_text(file.read_text().replace(own, f"{own}    {more}\n"))
        else:
            command = balancer.stand_in(given, bind)
        stack.enter_context(running(command, folder / "balancer.log"))
        wait_until(partial(answers, bind, "/healthz"), "the balancer answers")
        yield Cluster(bind, tuple(nodes))
