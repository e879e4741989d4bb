"""A small world for real replicas: disks that can be lost, links that can be cut, lossy and late.

Nothing here knows how a replica works inside: the world does what `ratchet.replica` asks of a
driver. Every frame goes through the codec. The world also keeps the truth: all that the owner of
each slot has ever written to its disk. Nobody may ever see more of the slot.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from ratchet import codec
from ratchet.changes import Changes
from ratchet.cluster import HEARTBEAT_S
from ratchet.column import Row
from ratchet.frames import Extent, Frame, Hello, Send, Want
from ratchet.generations import join
from ratchet.options import DEFAULTS, Options
from ratchet.replica import Replica
from ratchet.retries import NEW_S, Fate
from ratchet.slot import Slot
from simulation.disk import Disk

F = TypeVar("F", bound=Frame)

# A video.
TIDE: Final = "tide"
# The wall clock at which a world begins, in milliseconds.
BEGIN_MS: Final = 1_763_800_000_000
# In so many turns, a node that leaves has handed everything over, unless something is wrong.
LEAVE_TURNS: Final = 400


@dataclass
class Node:
    """One process: a replica, its disk, and the write that is under way."""

    name: str
    process: str
    disk: Disk
    replica: Replica
    alive: bool = True
    writing: Changes | None = None
    # At how many given addresses it has never met a peer.
    unmet: int = 0
    # Views that it has on disk and has not answered yet, and those that it has answered.
    waiting: Tally[str] = field(default_factory=Tally)
    answered: Tally[str] = field(default_factory=Tally)

    def __repr__(self) -> str:
        return f"{self.name}:{self.process}"


def slot_of(node: Node) -> Slot:
    """The slot in which it counts."""
    assert node.replica.table.own
    return node.replica.table.own


@dataclass(frozen=True)
class Packet:
    """One frame on its way."""

    sender: Node
    receiver: Node
    text: str

    @property
    def frame(self) -> Frame:
        return codec.decode(self.text)


def _unlike(number: int) -> Callable[[int], int]:
    """A source of chance that gives each process of a world another number, and always the same."""
    return lambda below: (number * 37) % below


class World:
    """Processes, the wire between them, and the truth."""

    def __init__(
        self,
        chunk: int = DEFAULTS.max_rows,
        grace_s: float = DEFAULTS.grace_s,
        retire_after_s: float | None = None,
        max_slots: int = DEFAULTS.max_slots,
        max_lifted: int = DEFAULTS.max_lifted,
        max_digest: int = DEFAULTS.max_digest,
        max_whole: int = DEFAULTS.max_whole,
        retention_s: float = DEFAULTS.retention_s,
        spare_names: int = DEFAULTS.spare_names,
        kept_days: int = DEFAULTS.kept_days,
    ) -> None:
        """`chunk`: `Options.max_rows` of each replica. The others have their names there, too."""
        self.now = 0.0
        self.nodes: list[Node] = []
        self.wire: list[Packet] = []
        self.cuts: set[frozenset[str]] = set()
        # The rows that the owner of each slot has written to its disk; entry n-1 has seq n.
        self.history: dict[Slot, list[Row]] = {}
        # Every view that the node that counted it has ever had on disk.
        self.truth: Tally[str] = Tally()
        # Packets that `settle_wire` dropped when it was last called.
        self.lost = 0
        self._started = 0
        self._options = Options(
            grace_s=grace_s,
            retire_after_s=retire_after_s,
            max_rows=chunk,
            max_slots=max_slots,
            max_lifted=max_lifted,
            max_digest=max_digest,
            max_whole=max_whole,
            retention_s=retention_s,
            spare_names=spare_names,
            kept_days=kept_days,
        )

    # -- processes -------------------------------------------------------------------------

    def start(
        self, name: str, disk: Disk | None = None, clock_ms: int | None = None, alone: bool = False
    ) -> Node:
        """Start a process. `clock_ms`: its wall clock, if it is wrong. `alone`: without peers."""
        self._started += 1
        started, began_ms = self.now, BEGIN_MS + int(self.now * 1000)
        began_ms = began_ms if clock_ms is None else clock_ms
        me = Hello(name, f"{self._started << 32:016x}", "")
        replica = Replica(
            me,
            lambda: began_ms + int((self.now - started) * 1000),
            _unlike(self._started),
            self.now,
            self._options,
        )
        disk = Disk() if disk is None else disk
        for part in disk.read():
            replica.restore(part)
        replica.tick(self.now)
        node = Node(name, me.process, disk, replica)
        self.nodes.append(node)
        if alone:
            self.cuts |= {frozenset((node.process, other.process)) for other in self.alive()}
        for other in self.alive():
            self.connect(node, other)
        return node

    def meet(self, *names: str) -> list[Node]:
        """Nodes that start, connect to each other and open their slots."""
        nodes = [self.start(name) for name in names]
        self.settle()
        return nodes

    def meet_well(self, *names: str) -> list[Node]:
        """Nodes that meet, and whose names are no longer new."""
        nodes = self.meet(*names)
        self.pass_quietly(2 * NEW_S)
        return nodes

    def crash(self, node: Node) -> Disk:
        """kill -9: everything that is not on its disk is lost. Return the disk."""
        node.alive = False
        for other in self.alive():
            other.replica.left(node.process)
        self.wire = [p for p in self.wire if node not in (p.sender, p.receiver)]
        return node.disk

    def leave(self, node: Node, *, farewell: bool = True) -> None:
        """It closes its slot, hands everything over, and ends. `farewell`: all hear the last that
        it says."""
        retries, keys = node.replica.retries, None
        node.replica.leave()
        self.flush(node)
        for _ in range(LEAVE_TURNS):
            if retries.leaving and keys is None:
                keys = {key: video for key, video in node.disk.keys.items() if video is not None}
                self.send(node, retries.handover.give(keys))
            elif keys is not None and not (node.replica.unshared() or retries.handover):
                break
            self.pass_time(HEARTBEAT_S / 4)
            self.settle_wire()
        else:
            raise AssertionError(f"{node} has something left to hand over, and can't leave")
        if farewell:
            self.send(node, node.replica.farewell())
            self.settle_wire()
        self.crash(node)

    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node.alive]

    # -- links -----------------------------------------------------------------------------

    def cut(self, one: Node, two: Node) -> None:
        if self.linked(one, two):
            self.cuts.add(frozenset((one.process, two.process)))
            one.replica.left(two.process)
            two.replica.left(one.process)

    def cut_off(self, node: Node) -> None:
        for other in self.alive():
            self.cut(node, other)

    def heal(self) -> None:
        cuts, self.cuts = self.cuts, set()
        for one in self.alive():
            for two in self.alive():
                if one.process < two.process and {one.process, two.process} in cuts:
                    self.connect(one, two)

    def linked(self, one: Node, two: Node) -> bool:
        cut = frozenset((one.process, two.process)) in self.cuts
        return one is not two and one.alive and two.alive and not cut

    def connect(self, one: Node, two: Node) -> None:
        if self.linked(one, two):
            for node, other in ((one, two), (two, one)):
                self.send(node, node.replica.joined(other.replica.me))

    # -- frames ----------------------------------------------------------------------------

    def send(self, sender: Node, sends: list[Send]) -> None:
        for to, frame in sends:
            for receiver in self.alive():
                if to in (None, receiver.process) and self.linked(sender, receiver):
                    self.wire.append(Packet(sender, receiver, codec.encode(frame)))

    def deliver(self, at: int = 0, keep: bool = False) -> None:
        """Packet number `at` arrives. `keep`: another copy of it is still on its way."""
        packet = self.wire[at] if keep else self.wire.pop(at)
        if self.linked(packet.sender, packet.receiver):
            self.receive(packet)

    def receive(self, packet: Packet) -> None:
        replica = packet.receiver.replica
        answers = replica.receive(packet.frame, packet.sender.process, self.now)
        self.send(packet.receiver, answers)

    def learn_newest(self, node: Node, newest: dict[str, int]) -> None:
        """`node` learns of newer generations, from the digest of a peer."""
        peer = next(other for other in self.alive() if self.linked(node, other))
        digest = peer.replica.digest()
        digest = replace(digest, newest=join(digest.newest, newest))
        self.receive(Packet(peer, node, codec.encode(digest)))

    def learn_folded(self, node: Node, folded: dict[str, int]) -> None:
        """`node` learns that these slots are folded, from the digest of a peer."""
        peer = next(other for other in self.alive() if self.linked(node, other))
        digest = peer.replica.digest()
        newest, closed = join(digest.newest, folded), join(digest.closed, folded)
        folds = join(digest.folded, folded)
        digest = replace(digest, newest=newest, closed=closed, folded=folds)
        self.receive(Packet(peer, node, codec.encode(digest)))

    def lose_all(self) -> None:
        self.wire.clear()

    def on_wire(self, kind: type[F], to: Node | None = None) -> list[F]:
        frames = [packet.frame for packet in self.wire if to in (None, packet.receiver)]
        return [frame for frame in frames if isinstance(frame, kind)]

    # -- time and disks --------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for node in self.alive():
            self.send(node, node.replica.tick(self.now, node.unmet))

    def pass_quietly(self, seconds: float) -> None:
        """Time passes, second by second. All frames arrive, and all disks write."""
        for _ in range(int(seconds)):
            self.pass_time(1.0)
            self.settle_wire()
            for node in self.alive():
                self.flush(node)
            self.settle_wire()

    def begin_write(self, node: Node) -> Changes | None:
        self.send(node, node.replica.retries.answer(node.disk.keys))
        node.writing = node.replica.changes()
        return node.writing

    def reach_disk(self, node: Node) -> None:
        """The transaction is committed; the replica doesn't know it yet."""
        changes = node.writing
        assert changes
        for slot, _, rows in changes.columns:
            # Only the owner adds to the history of a slot. The rows that others write are in it.
            for row in rows:
                history = self.history.setdefault(slot, [])
                if slot.node == node.name and row.seq == len(history) + 1:
                    views = row.views - self.latest(slot).get(row.video, 0)
                    self.truth[row.video] += views
                    node.waiting[row.video] += views
                    history.append(row)
        node.disk.write(changes)

    def confirm(self, node: Node) -> None:
        """The replica learns that its changes are on disk, and the views in them are answered."""
        changes, node.writing = node.writing, None
        assert changes
        self.send(node, node.replica.committed(changes))
        node.answered, node.waiting = node.answered + node.waiting, Tally()

    def fail_write(self, node: Node) -> None:
        """The write fails: the transaction is surely not committed."""
        changes, node.writing = node.writing, None
        assert changes
        node.replica.aborted(changes)

    def flush(self, node: Node) -> None:
        """Write and confirm all changes, unless a write is under way."""
        while node.writing is None and self.begin_write(node):
            self.reach_disk(node)
            self.confirm(node)

    def count(self, node: Node, video: str, views: int = 1) -> None:
        """Count views, and write and answer them at once."""
        node.replica.count(video, views)
        self.flush(node)

    def view(self, node: Node, key: str, *, first: bool = True, video: str = TIDE) -> Fate:
        """A view with a key comes to `node`, which decides, and writes what it decided."""
        retries, known = node.replica.retries, node.disk.keys
        fate = retries.fate(key, known, first=first)
        if fate is Fate.NEW:
            node.replica.count(video)
            retries.count(key, video)
        elif fate is Fate.PENDING:
            retries.wait(key, video, known)
        self.flush(node)
        return fate

    def retry(self, node: Node, key: str) -> Fate:
        """A view with a key comes to `node` once more."""
        return self.view(node, key, first=False)

    # -- until it is quiet -----------------------------------------------------------------

    def settle(self, rounds: int = 60, check: bool = False) -> None:
        """Let time pass, frames arrive and disks write, until four heartbeats change nothing."""
        quiet = 0
        for _ in range(rounds):
            before = self._shape()
            self.pass_time(1.0)
            for node in self.alive():
                self.flush(node)
            self.settle_wire(check=check)
            quiet = quiet + 1 if self._shape() == before else 0
            if quiet == 4:  # Longer than an unanswered request delays the next one.
                return
        raise AssertionError(f"not quiet after {rounds} rounds: {self._shape()}")

    def settle_wire(
        self, write: bool = True, lose: type[Frame] | None = None, check: bool = False
    ) -> None:
        """Deliver everything on the wire, and the answers, until it is empty. Frames of the kind
        `lose` are dropped; `lost` counts them."""
        self.lost = 0
        while self.wire:
            packet = self.wire[0]
            if lose and isinstance(packet.frame, lose):
                self.wire.pop(0)
                self.lost += 1
                continue
            self.deliver()
            if write:
                for node in self.alive():
                    self.flush(node)
            if check and packet.receiver.alive:
                self.check(packet.receiver)

    def _shape(self) -> object:
        replicas = [node.replica for node in self.alive()]
        return [(each.digest(), each.table.own, each.table.fingerprint()) for each in replicas]

    # -- what must hold --------------------------------------------------------------------

    def videos(self) -> list[str]:
        return sorted(self.truth)

    def assert_equal(self) -> None:
        """All living nodes have equal counts and equal fingerprints."""
        replicas = [node.replica for node in self.alive()]
        assert len({replica.table.fingerprint() for replica in replicas}) <= 1
        for video in self.videos():
            assert len({replica.table.value(video) for replica in replicas}) <= 1, video

    def latest(self, slot: Slot, seq: int | None = None) -> dict[str, int]:
        """The views of each video that the owner of `slot` had counted at `seq`, or has now."""
        return {row.video: row.views for row in self.history.get(slot, [])[:seq]}

    def check(self, node: Node) -> None:
        """Check what holds for every replica at every moment, by the numbers of ARCHITECTURE.md."""
        replica = node.replica
        for video in self.videos():
            assert replica.table.value(video) <= self.truth[video], "1: above the truth"
            assert replica.table.value(video) == replica.table.counter(video).value
        claims = replica.digest().slots
        for slot, column in replica.table.columns.items():
            assert not replica.table.folded.covers(slot), "6: a folded slot is still here"
            claimed = claims[slot].fingerprint
            assert claimed in (None, node.disk.fingerprint(slot)), "a digest of another disk"
            latest, durable = self.latest(slot), self.latest(slot, claims[slot].durable)
            for video in self.videos():
                held = column.views(video)
                assert held <= latest.get(video, 0), "8: more than its owner ever counted"
                assert held >= durable.get(video, 0), "a digest claims what is not here"
                assert node.disk.count(slot, video) >= durable.get(video, 0) or (
                    node.disk.folded.covers(slot)
                ), "a digest claims what is not on disk"

    def check_disk(self, node: Node) -> None:
        """Once everything is written, a process that starts from this disk has the same counts."""
        for video in self.videos():
            in_memory = node.replica.table.value(video)
            assert node.disk.value(video) == in_memory, "disk and memory differ"

    def finish(self) -> None:
        """Heal all links, and check what holds at rest, where no disk was destroyed."""
        self.heal()
        self.settle()
        self.assert_equal()
        for node in self.alive():
            self.check(node)
            self.check_disk(node)
            for video in self.videos():
                assert node.replica.table.value(video) == self.truth[video]


def meet(*names: str) -> tuple[World, list[Node]]:
    """A new world in which these nodes are connected and have opened their slots."""
    world = World()
    return world, world.meet(*names)


def single(name: str, chunk: int = DEFAULTS.max_rows) -> Replica:
    """A replica without a world around it."""
    me = Hello(name, f"{ord(name):016x}", "")
    return Replica(me, lambda: 1, lambda _: 0, 0.0, Options(max_rows=chunk))


def values(world: World) -> set[int]:
    """The values of `TIDE` at all living nodes."""
    return {node.replica.table.value(TIDE) for node in world.alive()}


def slots(world: World) -> set[Slot]:
    """All slots that any living node has in memory."""
    return {slot for node in world.alive() for slot in node.replica.table.columns}


def notices(node: Node) -> list[str]:
    """The kinds of all notices of its replica."""
    return [notice.kind for notice in node.replica.notices]


def wanted(world: World, of: Node) -> list[tuple[Slot, int]]:
    """The slots that peers request from `of`, and above which seq. The requests are on the wire."""
    return [(want.slot, want.above) for want in world.on_wire(Want, of)]


def claim(node: Node, slot: Slot) -> int:
    """The seq up to which `node` claims to have `slot` on disk."""
    return node.replica.digest().slots.get(slot, Extent(0, 0)).durable


def packets_until_caught_up(world: World, node: Node) -> Iterator[Packet]:
    """The packets on the wire, one by one, until `node` has caught up. The caller delivers each."""
    for _ in range(1000):
        if node.replica.talk.caught_up():
            return
        if world.wire:
            yield world.wire.pop(0)
        else:
            world.pass_time(0.1)
            world.flush(node)
    raise AssertionError(f"{node} never caught up")


def counts(world: World) -> int:
    """The views that all have, once all know all."""
    world.heal()
    world.settle()
    [value] = {node.replica.table.value(TIDE) for node in world.alive()}
    return value
