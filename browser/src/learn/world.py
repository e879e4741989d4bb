"""Three real replicas and a page, on virtual time, with links to cut and disks to lose.

This is `ratchet` as the nodes and the browsers run it. Only its driver is a toy: it has one video,
a clock that it moves itself, and messages (real ones, as text) that arrive at once.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ratchet import codec, passive, snapshot
from ratchet.changes import Changes, ColumnChange
from ratchet.cluster import HEARTBEAT_S
from ratchet.column import Row
from ratchet.counter import Counter
from ratchet.frames import Hello, Rows, Send
from ratchet.generations import Generations, join
from ratchet.options import Options
from ratchet.replica import Replica
from ratchet.slot import Slot
from ratchet.strict_json import dumps

NAMES: Final = ("a", "b", "c")
VIDEO: Final = "tide"
GRACE_S: Final = 3600.0
# The world is quiet when nothing has changed for this long: longer than a replica waits for an
# answer.
QUIET_S: Final = 4.0
# Quiet comes within ten seconds or so. If not, the lesson goes on: it must always answer.
PATIENCE_S: Final = 60.0


class Disk:
    """What a node has written to its disk. It outlives processes, until the disk is lost."""

    def __init__(self) -> None:
        self._columns: dict[Slot, ColumnChange] = {}
        self._base = 0
        self._maps = Changes()

    def write(self, changes: Changes) -> None:
        """One transaction, in the order that `Changes` asks for."""
        for slot, complete, rows in changes.columns:
            known = self._columns.get(slot, ColumnChange(slot, 0, ()))
            newest = sorted((*known.rows, *rows), key=lambda row: row.views)[-1:]
            self._columns[slot] = ColumnChange(slot, max(complete, known.complete), tuple(newest))
        self._base = max(self._base, *(views for _, views in changes.base), 0)
        for slot, *_ in changes.lifts:
            if lifted := self._columns.pop(slot, None):
                self._base += sum(row.views for row in lifted.rows)
        self._maps = Changes(
            newest=join(self._maps.newest, changes.newest),
            closed=join(self._maps.closed, changes.closed),
            folded=join(self._maps.folded, changes.folded),
            lifted_views=join(self._maps.lifted_views, changes.lifted_views),
        )

    def read(self) -> Changes:
        """Everything on the disk, for a process that starts."""
        base = ((VIDEO, self._base),) if self._base else ()
        return self._maps._replace(columns=tuple(self._columns.values()), base=base)

    def known(self) -> tuple[Counter, Generations]:
        """The stored counter, and the folds that it is based on."""
        slots = {slot: row.views for slot, _, rows in self._columns.values() for row in rows}
        return Counter(self._base, slots), Generations(self._maps.folded)


@dataclass
class Node:
    """A name, its disk, and the process that runs under the name, if there is one."""

    name: str
    disk: Disk = field(default_factory=Disk)
    replica: Replica | None = None
    starts: int = 0
    cut: bool = False


class Packet(NamedTuple):
    """A message on its way, with the names of both nodes."""

    sender: str
    receiver: str
    text: str


class Page:
    """A browser. It stores its state as text, and merges its node's snapshots into it."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.counter = Counter()
        self._stored_counter = ""
        self._stored_folded = ""

    def hear(self, said: snapshot.Snapshot) -> None:
        """Merge a snapshot, as the text that a browser receives."""
        text = passive.merge(
            VIDEO, self._stored_counter, self._stored_folded, dumps(snapshot.encode(said))
        )
        merged = json.loads(text)
        stored = {"base": merged["base"], "slots": merged["slots"]}
        self.counter = snapshot.decode_counter(stored)
        self._stored_counter, self._stored_folded = dumps(stored), dumps(merged["folded"])


class World:
    """The cluster and the page. An order takes effect at once; `settle` lets the effect spread."""

    def __init__(self) -> None:
        """Start three connected nodes, which have counted nothing."""
        self.nodes = {name: Node(name) for name in NAMES}
        self.page = Page("a")
        # Every view that a node has counted.
        self.truth = 0
        self._now = 0.0
        self._wire: list[Packet] = []
        # The messages of the last views, and their senders.
        self._told: list[tuple[str, Rows]] = []
        for name in NAMES:
            self.start(name)
        self.settle()

    # -- orders ----------------------------------------------------------------------------

    def count(self, names: list[str], views: int = 1) -> None:
        """Count views at each of these nodes, before any of them knows of the others' views."""
        self._told = []
        for name in names:
            node = self.nodes[name]
            assert node.replica
            self.truth += views
            node.replica.count(VIDEO, views)
            self._told += [(name, frame) for frame in self._write(node) if isinstance(frame, Rows)]

    def again(self) -> None:
        """Send the messages about the last views once more."""
        for sender, frame in self._told:
            if self.nodes[sender].replica:
                self._send(self.nodes[sender], [Send(None, frame)])

    def told(self) -> list[tuple[str, Rows]]:
        """The messages that `again` would send and that can arrive, with their senders."""
        return [(name, rows) for name, rows in self._told if self.linked_to(name)]

    def cut(self, name: str) -> None:
        """Cut a node off: no message to it or from it arrives any more."""
        for other in self.linked_to(name):
            self._part(name, other)
        self.nodes[name].cut = True

    def heal(self, name: str) -> None:
        """Connect a node to the others again."""
        self.nodes[name].cut = False
        for other in self.linked_to(name):
            self._join(name, other)

    def kill(self, name: str) -> None:
        """End the process of a node. Its disk stays."""
        for other in self.linked_to(name):
            self._part(name, other)
        self.nodes[name].replica = None

    def wipe(self, name: str) -> None:
        """Lose the disk of a node that doesn't run."""
        self.nodes[name].disk = Disk()

    def start(self, name: str) -> None:
        """Start a new process, on the node's disk."""
        node = self.nodes[name]
        node.starts += 1
        number = len(NAMES) * node.starts + NAMES.index(name)
        node.replica = Replica(
            Hello(name, f"{number << 32:016x}", ""),
            # The wall clock and chance only have to make generations differ. So the lesson can use
            # a@1, a@2, …
            wall_ms=lambda: node.starts,
            chance=lambda _: 0,
            now=self._now,
            # A lesson may last over midnight, and its slots are those that it tells of.
            options=Options(grace_s=GRACE_S, kept_days=0),
        )
        node.replica.table.restore(node.disk.read())
        node.replica.tick(self._now)
        for other in self.linked_to(name):
            self._join(name, other)

    def asked(self) -> str | None:
        """The node that the operator calls: one that is not cut off, if there is one."""
        running = [node for node in self.nodes.values() if node.replica]
        return next((node.name for node in sorted(running, key=lambda node: node.cut)), None)

    def retire(self, name: str) -> None:
        """Tell the node of `asked` that `name` won't come back. Raises `Refused`."""
        node = self.nodes[self.asked() or name]
        assert node.replica
        node.replica.cluster.retire(name)

    def wait(self) -> None:
        """Let the grace pass, after which a closed slot may be folded."""
        self._now += GRACE_S

    def reload(self, name: str) -> None:
        """Load the page again, from this node."""
        self.page.at = name

    # -- time ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let time pass until nothing changes any more."""
        quiet_s, end = 0.0, self._now + PATIENCE_S
        while quiet_s < QUIET_S and self._now < end:
            before = self._shape()
            self._now += HEARTBEAT_S
            for node in self._running():
                assert node.replica
                self._send(node, node.replica.tick(self._now))
                self._write(node)
            self._deliver()
            quiet_s = quiet_s + HEARTBEAT_S if self._shape() == before else 0.0

    def listen(self) -> None:
        """Let the page receive what its node counts now."""
        if replica := self.nodes[self.page.at].replica:
            self.page.hear(replica.table.snapshot(VIDEO))

    # -- what there is ---------------------------------------------------------------------

    def linked_to(self, name: str) -> list[str]:
        """The running nodes that this one is connected to."""
        if self.nodes[name].cut or not self.nodes[name].replica:
            return []
        return [node.name for node in self._running() if node.name != name and not node.cut]

    def known(self, without: str = "") -> Counter:
        """The sum of all disks: without new views, no node will ever show more. (Here every replica
        writes all it has to its disk before this is called.)"""
        held = [node.disk.known() for node in self.nodes.values() if node.name != without]
        folded = Generations()
        for _, theirs in held:
            folded.merge(theirs)
        together = Counter()
        for counter, _ in held:
            together = together.merge(counter.lift(folded))
        return together

    # -- driving a replica -----------------------------------------------------------------

    def _running(self) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node.replica)

    def _write(self, node: Node) -> list[object]:
        """Write all changes to the disk. Returns the frames that this sends."""
        said: list[object] = []
        while node.replica and (changes := node.replica.changes()):
            node.disk.write(changes)
            sends = node.replica.committed(changes)
            self._send(node, sends)
            said += [frame for _, frame in sends]
        return said

    def _send(self, node: Node, sends: list[Send]) -> None:
        for to, frame in sends:
            for other in self.linked_to(node.name):
                if to is None or to == self._process(other):
                    self._wire.append(Packet(node.name, other, codec.encode(frame)))

    def _deliver(self) -> None:
        while self._wire:
            sender, receiver, text = self._wire.pop(0)
            node = self.nodes[receiver]
            assert node.replica
            sends = node.replica.receive(codec.decode(text), self._process(sender), self._now)
            self._send(node, sends)
            self._write(node)

    def _join(self, one: str, two: str) -> None:
        for here, there in ((one, two), (two, one)):
            ours, theirs = self.nodes[here].replica, self.nodes[there].replica
            assert ours
            assert theirs
            self._send(self.nodes[here], ours.joined(theirs.me))

    def _part(self, one: str, two: str) -> None:
        for here, there in ((one, two), (two, one)):
            replica = self.nodes[here].replica
            assert replica
            replica.left(self._process(there))
        self._wire = [p for p in self._wire if {p.sender, p.receiver} != {one, two}]

    def _process(self, name: str) -> str:
        replica = self.nodes[name].replica
        assert replica
        return replica.me.process

    def _shape(self) -> object:
        return [
            (node.replica.digest(), node.replica.table.fingerprint())
            for node in self._running()
            if node.replica
        ]


def views_of(rows: Rows) -> Row:
    """The one row of a message about views: there is only one video here."""
    return rows.rows[-1]
