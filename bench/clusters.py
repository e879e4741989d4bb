"""What a cluster costs on one machine, by wire: `python -m bench.clusters [N]`.

N nodes (30 by default) run side by side, first with websockets between them and then over NATS:
once quiet, and once while each counts ten views a second. The processor time is that of the nodes'
processes, and of the broker. The bytes are all that pass on the loopback interface, the clients'
included. So nothing else should use it meanwhile.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from testing.brokers import BROKERS, in_cluster
from testing.nodes import Node, connected, equal, wait_until
from testing.servers.shared import Shared

SECONDS: Final = 20
VIEWS: Final = 10
START_S: Final = 180.0
_LOOPBACK: Final = Path("/proc/net/dev")


class Use(NamedTuple):
    """What was used up to now: processor time of the nodes and of the broker, bytes on loopback."""

    nodes_s: float
    broker_s: float
    sent: int


def use(nodes: Sequence[Node], broker: Sequence[int]) -> Use:
    """Read it. `broker`: ids of processes."""
    return Use(
        sum(_processor_s(node.pid) for node in nodes), sum(map(_processor_s, broker)), _loopback()
    )


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _loopback() -> int:
    line = next(line for line in _LOOPBACK.read_text().splitlines() if " lo:" in line)
    return int(line.split()[9])


async def count(nodes: Sequence[Node]) -> None:
    """Each node counts `VIEWS` views a second, for `SECONDS`."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        began = time.monotonic()
        for number in range(SECONDS * VIEWS):
            await asyncio.sleep(max(0.0, began + number / VIEWS - time.monotonic()))
            posts = [client.post(f"{node.url}/api/videos/tide/views") for node in nodes]
            for response in await asyncio.gather(*posts):
                response.raise_for_status()


def measure(nodes: Sequence[Node], broker: Sequence[int]) -> str:
    """The cells of one wire."""
    cells = []
    for counting in (False, True):
        before, began = use(nodes, broker), time.monotonic()
        if counting:
            asyncio.run(count(nodes))
        else:
            time.sleep(SECONDS)  # What is measured is this time.
        took, after = time.monotonic() - began, use(nodes, broker)
        node = (after.nodes_s - before.nodes_s) / took / len(nodes)
        of_broker = (after.broker_s - before.broker_s) / took
        sent = (after.sent - before.sent) / took / len(nodes)
        cells.append(f"{node:.1%} | {of_broker:.0%} | {sent / 1000:,.0f} kB")
    began = time.monotonic()
    wait_until(lambda: equal(nodes), "all have the same", START_S)
    return " | ".join([*cells, f"{time.monotonic() - began:.1f} s"])


def main() -> int:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"{size} nodes; processor time of a core and bytes, a node and second\n")
    print("| wire | quiet: node | broker | bytes | counting: node | broker | bytes | equal after |")
    print("|---|---|---|---|---|---|---|---|")
    for wire in ("mesh", "nats"):
        with (
            tempfile.TemporaryDirectory() as folder,
            Shared(Path(folder)) as servers,
            ExitStack() as stack,
        ):
            flags, broker = ["--open"], list[int]()
            if wire != "mesh":
                server = asyncio.run(servers.get(BROKERS[wire]))
                flags += ["--bus", in_cluster(server.url, "bench")]
                broker = server.pids
            nodes: list[Node] = []
            for number in range(size):
                peers = [nodes[0].url] if nodes and wire == "mesh" else []
                node = Node(f"n{number}", Path(folder), peers=peers, flags=flags)
                nodes.append(stack.enter_context(node))
                node.start()
            wait_until(lambda nodes=nodes: connected(nodes), "all are connected", START_S)  # type: ignore[misc]
            # What they do at their start is over then, and is not measured.
            time.sleep(5)
            print(f"| {wire} | {measure(nodes, broker)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
