"""Clients: each sends one view with a key, and again to other nodes until it has an answer.

Requests and answers are late or get lost. A process that is stopped takes its requests when it goes
on. A node that has its answer may be gone: the client gives up after some attempts, and its view
has counted or not. `Keys` knows which keys were counted, and checks that each is counted once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from ratchet.inquiries import HOLD_S

from simulation.disk import Disk
from simulation.process import Process, Request
from simulation.truth import Broken

if TYPE_CHECKING:
    from simulation.world import World

# How long a client waits for its answer.
PATIENCE_S: Final = (0.5, 3.0, 12.0)
# For how long a node remembers a key: no client sends it again after that.
LIFETIME_S: Final = 60.0


class _Count(NamedTuple):
    """A view with a key was counted: by whom, and on which disk."""

    process: str
    disk: Disk
    # Of the disks of others: those whose process it did not have to ask, as it was retired, and
    # those that neither it nor anybody whom it asked knew.
    dismissed: list[Disk]
    unknown: list[Disk]


@dataclass
class Client:
    """One view, and where it is sent."""

    key: str
    video: str
    places: str
    rng: Random
    answered: bool = False
    attempts: int = 0


class Keys:
    """All clients of a world, and what became of their keys."""

    def __init__(self, world: "World") -> None:
        self._world = world
        # How many requests are on their way, or wait to be sent.
        self.under_way = 0
        self._clients: dict[str, Client] = {}
        self._counts: dict[str, _Count] = {}
        # Keys that a disk knew which is gone, or was set back. They may count twice, or be lost.
        self._forgotten: set[str] = set()
        # The names that have run twice, on two disks: one answered for the other.
        self._doubled: set[str] = set()

    # -- clients -----------------------------------------------------------------------------

    def send(self, places: str, video: str, luck: int) -> None:
        """A new client sends a view to the first of `places`, then to the next ones."""
        number = len(self._clients)
        rng = Random(f"{self._world.setup.seed} client {number} {luck}")
        key = f"{rng.getrandbits(32):08x}-0000-7000-8000-{number:012x}"
        client = self._clients[key] = Client(key, video, places, rng)
        self._world.tally["view with a key"] += 1
        self._attempt(client)

    def _attempt(self, client: Client) -> None:
        if client.answered or client.attempts == len(client.places):
            return
        world, rng = self._world, client.rng
        world.stir()
        place, first = client.places[client.attempts], client.attempts == 0
        client.attempts += 1
        world.tally["retry"] += not first
        # Some clients don't wait.
        wait_s = rng.choice(PATIENCE_S) if rng.random() < 0.9 else 0.0
        self._later(wait_s, lambda: self._attempt(client))
        if rng.random() < 0.15:
            world.tally["request lost"] += 1
            return
        delay_s = rng.choice([0.01, 0.01, 0.3, 2.0])
        lost = rng.random() < 0.4
        process = world.up.get(place)
        if process:
            request = Request(
                client.key, client.video, first, lambda word: self._answer(client, word, lost)
            )
            self._later(delay_s, self._arrive(process, request))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self.under_way += 1

        def do() -> None:
            self.under_way -= 1
            act()

        self._world.agenda.after(seconds, do)

    def _arrive(self, process: Process, request: Request) -> Callable[[], None]:
        def act() -> None:
            # The connection ends with its process.
            if process.alive:
                process.requests.append(request)
                if process.frozen_until <= self._world.agenda.now:
                    self._world.touched(process)

        return act

    def _answer(self, client: Client, word: str, lost: bool) -> None:
        self._world.tally[f"view with a key: {word}"] += 1
        if lost:
            self._world.tally["answer lost"] += 1
        elif word != "refused":
            client.answered = True

    # -- what became of the keys -----------------------------------------------------------------

    def wrote(self, process: Process) -> None:
        """A transaction of `process` is on its disk."""
        assert process.writing is not None
        for key, video in process.writing.counted.items():
            if self._clients[key].video != video:
                raise Broken("once", f"{process} counts {key} for {video}")
            earlier = self._counts.get(key)
            if key in process.disk.pending:
                self._world.tally["pending view counted"] += 1
            count = self._count(process)
            if earlier and key not in self._forgotten and not self._excused(earlier, count):
                raise Broken("once", f"{key} was counted by {earlier.process}, now by {process}")
            self._counts[key] = count
        for key in (
            *process.writing.counted,
            *process.writing.elsewhere,
            *process.writing.promised,
        ):
            process.disk.expires[key] = self._world.agenda.now + LIFETIME_S
        for key in process.writing.elsewhere:
            if key in process.disk.pending:
                self._world.tally["pending view had counted elsewhere"] += 1
            if key not in self._counts:
                raise Broken("once", f"{process} takes {key} for counted, and nobody has")

    def forget(self, disk: Disk) -> None:
        """What `disk` knows is lost, or comes back when it is no longer true."""
        self._forgotten |= {*disk.keys, *disk.pending}

    def left(self, process: Process) -> None:
        """A process has handed over all, and its disk is gone."""
        self._world.tally["key handed over"] += len(process.given)

    def double(self, name: str, disk: Disk) -> None:
        """A second process of this name starts from `disk`, a copy."""
        self._doubled.add(name)
        self.forget(disk)

    def expired(self, process: Process, gone: dict[str, float]) -> None:
        """A process forgets these keys, which expired at these times."""
        self._world.tally["key forgotten"] += len(gone)
        late = self._world.agenda.now - HOLD_S
        too_late = {key for key, time in gone.items() if time <= late}
        self._world.tally["key forgotten although somebody is missing"] += len(too_late)
        self._forgotten |= too_late
        for disk in self._world.disks() if gone else ():
            if not self._world.checks.is_member(process, disk):
                retired = gone.keys() & disk.pending.keys()
                self._world.tally["key forgotten that a retired node may ask for"] += len(retired)
                self._forgotten |= retired

    def rest(self) -> None:
        """At the end, with all nodes there or retired: each key has counted as it should."""
        pending = [(each, key) for each in self._world.running() for key in each.disk.pending]
        if pending:
            raise Broken("once", f"still pending: {[(str(each), key) for each, key in pending]}")
        for key, client in self._clients.items():
            if client.answered and key not in self._counts and key not in self._forgotten:
                raise Broken("once", f"{key} was answered and never counted")

    def _count(self, process: Process) -> _Count:
        world, checks = self._world, self._world.checks
        others = [disk for disk in world.disks() if disk is not process.disk]
        members = [disk for disk in others if checks.is_member(process, disk)]
        names = {name for disk in [process.disk, *members] for name in disk.newest.names()}
        for disk in members:
            if above := world.above(disk):
                names |= {*above.replica.table.newest.names()}
        strange = [disk for disk in others if not any(disk is member for member in members)]
        dismissed = [disk for disk in strange if disk.own and disk.own.node in names]
        # A member that knows it to be back must not have answered.
        dismissed = [
            disk for disk in dismissed if not any(self._is_open(disk, at) for at in members)
        ]
        unknown = [disk for disk in strange if disk.own is None or disk.own.node not in names]
        return _Count(process.label, process.disk, dismissed, unknown)

    def _is_open(self, disk: Disk, member: Disk) -> bool:
        """Whether the process on `member` takes the slot of `disk` to be open."""
        process, own = self._world.above(member), disk.own
        table = process.replica.table if process else member
        return own is not None and table.newest.covers(own) and not table.closed.covers(own)

    def _excused(self, earlier: _Count, now: _Count) -> bool:
        """Whether one of them could not know the other."""
        if self._doubled & {earlier.process[0], now.process[0]}:
            self._world.tally["key counted twice: a name ran twice"] += 1
            return True
        for one, other in ((earlier, now), (now, earlier)):
            for kind in ("dismissed", "unknown"):
                if any(disk is other.disk for disk in getattr(one, kind)):
                    self._world.tally[f"key counted twice: one was {kind}"] += 1
                    return True
        return False
