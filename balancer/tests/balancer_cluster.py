"""A cluster for the balancers' tests: three stub nodes and a balancer, all real processes."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from ratchet_server.demo import balancer

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
        """Every request that reached it, as "METHOD path"."""
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
        """Which nodes answered `count` requests for a path, in order, on one client."""
        with self.client() as client:
            return [client.get(path).headers.get("X-Ratchet-Node", "-") for _ in range(count)]


def until(what: str, holds: Callable[[], bool]) -> None:
    """Waits for a condition; fails with its name."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.02)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def answers(address: str, path: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://{address}{path}").status_code == 200
    return False


@contextlib.contextmanager
def start_cluster(kind: str, folder: Path) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        nodes = []
        for name in "abc":
            address = free_address()
            stub = [sys.executable, str(HERE / "stub_node.py"), name, address.rpartition(":")[2]]
            nodes.append(
                StubNode(name, address, stack.enter_context(running(stub, folder / f"{name}.log")))
            )
        for node in nodes:
            until(f"stub {node.name} answers", partial(answers, node.address, "/readyz"))
        # The first without a name: both ways of giving a node stand side by side.
        given = [nodes[0].address, *(f"{node.name}={node.address}" for node in nodes[1:])]
        bind = free_address()
        if kind == "haproxy":
            try:
                chosen = balancer.haproxy(given, bind, folder)
            except balancer.Unusable as reason:
                pytest.skip(f"the real balancer can't run here: {reason}")
        else:
            chosen = balancer.stand_in(given, bind)
        stack.enter_context(running(chosen.command, folder / "balancer.log"))
        until("the balancer answers", partial(answers, bind, "/healthz"))
        yield Cluster(bind, tuple(nodes))
