"""How large a mesh can be: time to converge, bytes of a view and of a heartbeat, by cluster size.

Real replicas run on virtual time and a good network (2 to 20 ms, nothing lost). The size of a frame
is that of its text. There are full meshes, and sparse ones with some eight links at each node.

    python -m simulation.scale [--sizes 3,10,100] [--sparse 100,1000] [--plot FILE]
"""

import argparse
import sys
from collections import Counter as Tally
from collections.abc import Iterable
from functools import partial
from operator import add, mod
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Final, NamedTuple

from ratchet import codec
from ratchet.frames import Alive, Digest, Extent, Frame, Hello, Send
from ratchet.generations import Generations
from ratchet.replica import Replica
from ratchet.slot import Slot

from simulation.agenda import Agenda
from simulation.plot import Panel, svg

TICK_S: Final = 0.25
# In a sparse mesh each node dials so many others at random; on average as many dial it.
DIALS: Final = 4
VIDEOS: Final = 20
# A cluster whose nodes are not equal after this time never will be.
PATIENCE_S: Final = 60.0


class Figures(NamedTuple):
    """The figures of one cluster. Bytes are those of text. A heartbeat is all the digests that a
    node sends in a second."""

    mesh: str
    nodes: int
    # Seconds until all nodes show a view at one node, and until all show one view at each node.
    view_s: float | None
    burst_s: float | None
    view_bytes: float | None
    heartbeat_bytes: float
    # Seconds of one core, in each second, to read the digests that one node receives.
    cpu_s: float


class Cluster:
    """Replicas on a network that loses nothing and counts every frame."""

    def __init__(self, size: int, dials: int | None, seed: int = 0) -> None:
        """`dials`: how many others each node dials; None for all."""
        self.agenda = Agenda()
        self.rng = Random(seed)
        self.bytes: Tally[str] = Tally()
        self.frames: Tally[str] = Tally()
        # Seconds of one core that went into reading digests.
        self.reading_s = 0.0
        self.replicas = {
            process: Replica(
                Hello(f"node-{number:04}", process, f"http://node-{number:04}.example:1234"),
                partial(add, 1_763_800_000_000, number),
                partial(mod, number),
                0.0,
            )
            for number, process in ((n, f"{n:016x}") for n in range(size))
        }
        for one, two in sorted(_links([*self.replicas], dials, self.rng)):
            for here, there in ((one, two), (two, one)):
                self._send(here, self.replicas[here].joined(self.replicas[there].me))
        for process, replica in self.replicas.items():
            tick = partial(self._tick, process, replica)
            self.agenda.every(TICK_S, tick, self.rng.uniform(0, TICK_S))

    def run(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        until = self.agenda.now + seconds
        while self.agenda.next(until):
            pass

    def view(self, processes: Iterable[str], video: str) -> float | None:
        """Count one view at each of these. Return the seconds until all replicas show all of them;
        None if they never do."""
        begun = self.agenda.now
        before = max(replica.table.value(video) for replica in self.replicas.values())
        views = 0
        for process in processes:
            self.replicas[process].count(video)
            self._write(process)
            views += 1
        behind = [*self.replicas.values()]
        while behind and self.agenda.now - begun < PATIENCE_S:
            self.run(0.01)
            behind = [replica for replica in behind if replica.table.value(video) < before + views]
        return None if behind else self.agenda.now - begun

    def _tick(self, process: str, replica: Replica) -> bool:
        self._send(process, replica.tick(self.agenda.now))
        self._write(process)
        return True

    def _send(self, sender: str, sends: list[Send]) -> None:
        for to, frame in sends:
            receivers = [to] if to else [*self.replicas[sender].peers.by_process]
            kind = "digest" if isinstance(frame, Digest) else "rows"
            self.bytes[kind] += len(codec.encode(frame)) * len(receivers)
            self.frames[kind] += len(receivers)
            for receiver in receivers:
                arrive = partial(self._receive, receiver, sender, frame)
                self.agenda.after(self.rng.uniform(0.002, 0.02), arrive)

    def _receive(self, receiver: str, sender: str, frame: Frame) -> None:
        replica = self.replicas[receiver]
        begun = process_time()
        sends = replica.receive(frame, sender, self.agenda.now)
        if isinstance(frame, Digest):
            self.reading_s += process_time() - begun
        self._send(receiver, sends)
        self._write(receiver)

    def _write(self, process: str) -> None:
        replica = self.replicas[process]
        while (changes := replica.changes()) is not None:
            self._send(process, replica.committed(changes))


def measure(size: int, dials: int | None) -> Figures:
    """Measure one cluster of this size."""
    cluster = Cluster(size, dials)
    cluster.run(3.0)
    processes = [*cluster.replicas]
    for number in range(VIDEOS):
        # Some history first, so that frames are as large as in a cluster that is in use.
        cluster.replicas[processes[number % size]].count(f"video-{number:04}", 1000 + number)
    burst_s = cluster.view(processes, "burst")
    cluster.run(2.0)
    before = Tally(cluster.bytes)
    view_s = cluster.view(processes[:1], "single")
    cluster.run(2.0)
    view_bytes = cluster.bytes["rows"] - before["rows"]
    before, frames, reading_s = Tally(cluster.bytes), cluster.frames["digest"], cluster.reading_s
    begun = cluster.agenda.now
    cluster.run(1.0)
    seconds = cluster.agenda.now - begun
    heartbeat = (cluster.bytes["digest"] - before["digest"]) / size / seconds
    read_s = (cluster.reading_s - reading_s) / max(1, cluster.frames["digest"] - frames)
    arriving = (cluster.frames["digest"] - frames) / size / seconds
    mesh = "full" if dials is None else "sparse"
    return Figures(mesh, size, view_s, burst_s, view_bytes, heartbeat, read_s * arriving)


def computed(size: int, like: Figures) -> Figures:
    """The figures of a full mesh that is too large to run here, computed from the digest that each
    node would send. `like`: the largest mesh that was run; it gives the time to read a digest."""
    slots = [Slot(f"node-{n:04}", 1_763_800_000_000_000 + n) for n in range(size)]
    digest = Digest(
        slot=slots[0],
        slots={slot: Extent(2, n << 40) for n, slot in enumerate(slots)},
        newest=Generations(slots),
        closed=Generations(slots),
        folded=Generations(),
        lifted_views={},
        base_fingerprint=0,
        alive={
            f"{n:016x}": Alive(*slot, f"http://{slot.node}.example:1234")
            for n, slot in enumerate(slots[1:])
        },
    )
    heartbeat = len(codec.encode(digest)) * (size - 1)
    # The time to read a digest grows with its slots, so with the nodes, as does their number.
    cpu_s = like.cpu_s * (size / like.nodes) ** 2
    return Figures("full, computed", size, None, None, None, heartbeat, cpu_s)


def table(figures: Iterable[Figures]) -> str:
    """The figures as lines."""
    lines = [
        f"{'mesh':<15} {'nodes':>5} {'one view, s':>12} {'one each, s':>12} {'bytes a view':>13} "
        f"{'heartbeat, bytes/s a node':>26} {'reading, s/s a node':>20}"
    ]
    lines += [
        f"{it.mesh:<15} {it.nodes:>5} {_number(it.view_s, 2):>12} {_number(it.burst_s, 2):>12} "
        f"{_number(it.view_bytes, 0):>13} {it.heartbeat_bytes:>26,.0f} {it.cpu_s:>20.4f}"
        for it in figures
    ]
    return "\n".join(lines)


def plot(figures: list[Figures]) -> str:
    """The figures as SVG."""
    meshes = [("full mesh", "full"), ("eight links each", "sparse")]
    return svg(
        [
            Panel(
                "Heartbeat: what each node sends",
                "nodes",
                "bytes a second",
                {
                    name: [(it.nodes, it.heartbeat_bytes) for it in figures if mesh in it.mesh]
                    for name, mesh in meshes
                },
            ),
            Panel(
                "A view at every node, until all agree",
                "nodes",
                "seconds",
                {
                    name: [
                        (it.nodes, it.burst_s) for it in figures if mesh in it.mesh if it.burst_s
                    ]
                    for name, mesh in meshes
                },
            ),
        ]
    )


def main() -> int:
    """Measure, print the table and write the plot."""
    parser = argparse.ArgumentParser("python -m simulation.scale", description=__doc__)
    parser.add_argument("--sizes", default="3,10,30,100", help="full meshes (3,10,30,100)")
    parser.add_argument("--sparse", default="30,100,1000", help="sparse meshes (30,100,1000)")
    parser.add_argument("--computed", default="1000", help="full meshes that are not run (1000)")
    parser.add_argument("--plot", type=Path, help="where to write the plot, as SVG")
    options = parser.parse_args()
    figures: list[Figures] = []
    for sizes, dials in ((options.sizes, None), (options.sparse, DIALS)):
        for size in sizes.split(",") if sizes else ():
            begun = perf_counter()
            figures.append(measure(int(size), dials))
            print(f"{size} nodes took {perf_counter() - begun:.1f} s to run", file=sys.stderr)
    full = [it for it in figures if it.mesh == "full"]
    if options.computed and full:
        figures += [computed(int(size), full[-1]) for size in options.computed.split(",")]
    print(table(figures))
    if options.plot:
        options.plot.write_text(plot(figures), "utf-8")
        print(f"plot: {options.plot}")
    return 0


def _links(processes: list[str], dials: int | None, rng: Random) -> set[tuple[str, str]]:
    pairs = {
        (one, two)
        for one in processes
        for two in (processes if dials is None else rng.sample(processes, dials + 1))
        if one != two
    }
    return {(min(pair), max(pair)) for pair in pairs}


def _number(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:,.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
