"""How large a cluster can be: what digests and pulses cost a node, and how soon all agree.

Real replicas run on virtual time and a good network (2 to 20 ms, nothing lost). The size of a frame
is that of its text. Each connects to all others, on a mesh or on a bus, or to some eight others (a
sparse mesh). The same frames go over a mesh and over a bus: a bus takes a frame for all once, and a
mesh once for each receiver.

    python -m simulation.scale [--digests 3,10,100] [--pulses 3,300] [--sparse 100] [--plot FILE]
"""

import argparse
import sys
from collections import Counter as Tally
from collections.abc import Iterable
from functools import partial
from operator import mod
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Final, NamedTuple

from ratchet import codec
from ratchet.frames import Ask, Frame, Heartbeat, Hello, Send
from ratchet.options import Options
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
GRACE_S: Final = 5.0
# `Options.max_whole` of clusters that only send digests, and that send pulses wherever they can.
DIGESTS: Final = codec.MAX_TEXT
PULSES: Final = 0
# For how long heartbeats are measured.
MEASURED_S: Final = 2.0


class Cost(NamedTuple):
    """What heartbeats cost one node in each second: bytes of text, seconds of one core."""

    # On a mesh, and on a bus.
    sent: float
    published: float
    heard: float
    cpu_s: float


class Figures(NamedTuple):
    """The figures of one cluster. A heartbeat is all the digests, pulses and questions for them
    that a node sends in a second."""

    kind: str
    nodes: int
    # Seconds until all nodes show a view at one node; until all show one view at each node; and
    # from the end of the grace until all have folded a slot.
    view_s: float | None
    burst_s: float | None
    fold_s: float | None
    view_bytes: float | None
    quiet: Cost
    # While each node counts a view a second.
    counting: Cost


class Cluster:
    """Replicas on a network that loses nothing and counts every frame."""

    def __init__(self, size: int, dials: int | None, max_whole: int, seed: int = 0) -> None:
        """`dials`: how many others each node dials; None for all. `max_whole`: see `Options`."""
        self.agenda = Agenda()
        self.rng = Random(seed)
        self.sent: Tally[str] = Tally()
        self.published: Tally[str] = Tally()
        # Seconds of one core that went into heartbeats: to read them, and to say them.
        self.beating_s = 0.0
        self._options = Options(grace_s=GRACE_S, max_whole=max_whole)
        self.replicas: dict[str, Replica] = {}
        for number in range(size):
            self._start(f"{number:016x}", number)
        for one, two in sorted(_links([*self.replicas], dials, self.rng)):
            self._connect(one, two)

    def _start(self, process: str, number: int) -> None:
        replica = self.replicas[process] = Replica(
            Hello(f"node-{number:04}", process, f"http://node-{number:04}.example:1234"),
            lambda: 1_763_800_000_000 + number + int(1000 * self.agenda.now),
            partial(mod, number),
            self.agenda.now,
            self._options,
        )
        tick = partial(self._tick, process, replica)
        self.agenda.every(TICK_S, tick, self.rng.uniform(0, TICK_S))

    def _connect(self, one: str, two: str) -> None:
        for here, there in ((one, two), (two, one)):
            self._send(here, self.replicas[here].joined(self.replicas[there].me))

    def restart(self, number: int) -> None:
        """The node with this number crashes, and starts again on an empty disk."""
        old = f"{number:016x}"
        connected = [*self.replicas.pop(old).peers.by_process]
        for process in connected:
            self.replicas[process].left(old)
        new = f"{number + (1 << 32):016x}"
        self._start(new, number)
        for process in connected:
            self._connect(new, process)

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

    def fold(self, slot: Slot) -> float | None:
        """Return the seconds until all replicas have folded `slot`; None if they never do."""
        begun = self.agenda.now
        while self.agenda.now - begun < PATIENCE_S:
            if all(replica.table.is_folded(slot) for replica in self.replicas.values()):
                return self.agenda.now - begun
            self.run(0.1)
        return None

    def cost(self, *, counting: bool) -> Cost:
        """What heartbeats cost a node in a second."""
        before = self.sent["heartbeat"], self.published["heartbeat"], self.beating_s
        begun = self.agenda.now
        for number in range(4 * int(MEASURED_S)):
            for index, process in enumerate([*self.replicas] if counting else ()):
                if index % 4 == number % 4:
                    self.replicas[process].count(f"video-{index % VIDEOS:04}")
                    self._write(process)
            self.run(0.25)
        each = len(self.replicas) * (self.agenda.now - begun)
        sent = (self.sent["heartbeat"] - before[0]) / each
        published = (self.published["heartbeat"] - before[1]) / each
        return Cost(sent, published, sent, (self.beating_s - before[2]) / each)

    def _tick(self, process: str, replica: Replica) -> bool:
        if self.replicas.get(process) is not replica:
            return False
        begun = process_time()
        sends = replica.tick(self.agenda.now)
        self.beating_s += process_time() - begun
        self._send(process, sends)
        self._write(process)
        return True

    def _send(self, sender: str, sends: list[Send]) -> None:
        for to, frame in sends:
            receivers = [to] if to else [*self.replicas[sender].peers.by_process]
            is_heartbeat = isinstance(frame, Heartbeat | Ask)
            kind = "heartbeat" if is_heartbeat else "rows"
            begun = process_time()
            text = codec.encode(frame)
            encoded = process_time()
            self.sent[kind] += len(text) * len(receivers)
            self.published[kind] += len(text)
            if is_heartbeat:
                decoding = process_time()
                codec.decode(text)
                self.beating_s += encoded - begun + (process_time() - decoding) * len(receivers)
            for receiver in receivers:
                arrive = partial(self._receive, receiver, sender, frame)
                self.agenda.after(self.rng.uniform(0.002, 0.02), arrive)

    def _receive(self, receiver: str, sender: str, frame: Frame) -> None:
        replica = self.replicas.get(receiver)
        if replica is None or sender not in replica.peers.by_process:
            return
        begun = process_time()
        sends = replica.receive(frame, sender, self.agenda.now)
        if isinstance(frame, Heartbeat | Ask):
            self.beating_s += process_time() - begun
        self._send(receiver, sends)
        self._write(receiver)

    def _write(self, process: str) -> None:
        replica = self.replicas[process]
        while (changes := replica.changes()) is not None:
            self._send(process, replica.committed(changes))


def measure(size: int, dials: int | None, max_whole: int) -> Figures:
    """Measure one cluster of this size."""
    cluster = Cluster(size, dials, max_whole)
    cluster.run(4.0)
    processes = [*cluster.replicas]
    for number in range(VIDEOS):
        # Some history first, so that frames are as large as in a cluster that is in use.
        cluster.replicas[processes[number % size]].count(f"video-{number:04}", 1000 + number)
    burst_s = cluster.view(processes, "burst")
    cluster.run(3.0)
    before = cluster.sent["rows"]
    view_s = cluster.view(processes[:1], "single")
    cluster.run(1.0)
    view_bytes = cluster.sent["rows"] - before
    quiet, counting = cluster.cost(counting=False), cluster.cost(counting=True)
    fold_s = None
    if dials is None:
        slot = cluster.replicas[processes[0]].table.own
        assert slot
        cluster.restart(0)
        cluster.run(GRACE_S)
        fold_s = cluster.fold(slot)
    says = "pulses" if max_whole < DIGESTS else "digests"
    kind = f"{says}, all connected" if dials is None else f"{says}, sparse"
    return Figures(kind, size, view_s, burst_s, fold_s, view_bytes, quiet, counting)


def computed(size: int, like: Figures) -> Figures:
    """The figures of a cluster that is too large to run here. `like`: the largest that was run.

    The size of a digest grows with the nodes, and that of a pulse does not. A node reads one of
    each node that it is connected to. In a sparse mesh that are as many in any cluster; but there
    all send digests.
    """
    larger = size / like.nodes
    is_sparse = like.kind.endswith("sparse")
    each = larger if is_sparse or like.kind.startswith("digests") else 1
    all_read = each if is_sparse else each * larger

    def cost(one: Cost) -> Cost:
        return Cost(
            one.sent * all_read, one.published * each, one.heard * all_read, one.cpu_s * all_read
        )

    kind = f"{like.kind}, computed"
    return Figures(kind, size, None, None, None, None, cost(like.quiet), cost(like.counting))


def table(figures: Iterable[Figures]) -> str:
    """The figures as lines."""
    lines = [
        f"{'':<32} {'':>5} {'seconds until all have':^23} {'a view,':>8} "
        f"{'quiet, each node and second':^37} {'all counting':^20}",
        f"{'':<32} {'nodes':>5} {'a view':>7} {'each':>7} {'folded':>7} {'kB':>8} "
        f"{'mesh, kB':>9} {'bus, kB':>8} {'heard, kB':>9} {'CPU':>8} {'heard, kB':>9} {'CPU':>9}",
    ]
    lines += [
        f"{it.kind:<32} {it.nodes:>5} {_number(it.view_s, 2):>7} {_number(it.burst_s, 2):>7} "
        f"{_number(it.fold_s, 1):>7} {_kilo(it.view_bytes):>8} {_kilo(it.quiet.sent):>9} "
        f"{_kilo(it.quiet.published):>8} {_kilo(it.quiet.heard):>9} {it.quiet.cpu_s:>8.2%} "
        f"{_kilo(it.counting.heard):>9} {it.counting.cpu_s:>9.2%}"
        for it in figures
    ]
    return "\n".join(lines)


def plot(figures: list[Figures]) -> str:
    """The figures as SVG."""
    kinds = ("digests, all connected", "pulses, all connected", "pulses, sparse")
    return svg(
        [
            Panel(
                "Heartbeat: what each node sends on a mesh",
                "nodes",
                "bytes a second",
                {
                    kind: [(it.nodes, it.quiet.sent) for it in figures if kind in it.kind]
                    for kind in kinds
                },
            ),
            Panel(
                "A view at every node, until all agree",
                "nodes",
                "seconds",
                {
                    kind: [
                        (it.nodes, it.burst_s) for it in figures if kind in it.kind if it.burst_s
                    ]
                    for kind in kinds
                },
            ),
        ]
    )


def main() -> int:
    """Measure, print the table and write the plot."""
    parser = argparse.ArgumentParser("python -m simulation.scale", description=__doc__)
    add = parser.add_argument
    add("--digests", default="3,10,30,100", help="clusters that send digests (3,10,30,100)")
    add("--pulses", default="3,10,30,100", help="clusters that send pulses (3,10,30,100)")
    add("--sparse", default="30,100", help="sparse meshes, with pulses (30,100)")
    add("--computed", default="1000", help="clusters that are not run (1000)")
    add("--plot", type=Path, help="where to write the plot, as SVG")
    options = parser.parse_args()
    figures: list[Figures] = []
    for sizes, dials, max_whole in (
        (options.digests, None, DIGESTS),
        (options.pulses, None, PULSES),
        (options.sparse, DIALS, PULSES),
    ):
        group = []
        for size in sizes.split(",") if sizes else ():
            begun = perf_counter()
            group.append(measure(int(size), dials, max_whole))
            print(f"{size} nodes took {perf_counter() - begun:.1f} s to run", file=sys.stderr)
        if options.computed and group:
            group += [computed(int(size), group[-1]) for size in options.computed.split(",")]
        figures += group
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


def _kilo(number: float | None) -> str:
    return "-" if number is None else f"{number / 1000:,.1f}"


if __name__ == "__main__":
    sys.exit(main())
