"""A cluster on virtual time: its processes, disks, wire and browsers."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from ratchet.frames import BaseRows, Frame, Pulse
from ratchet.generations import Generations
from ratchet.members import Refused

from simulation.agenda import Agenda
from simulation.browsers import Browser
from simulation.clients import Keys
from simulation.disk import Disk, merged
from simulation.invariants import Invariants
from simulation.network import STALE_S, TEND_S, WEATHERS, Network
from simulation.process import DAY_S, Habits, Process
from simulation.truth import Broken, Truth

# The wall clock at which a world begins, in milliseconds.
BEGIN_MS: Final = 1_763_800_000_000
TICK_S: Final = 0.25
# After so long with nothing but heartbeats, no frame or write is on its way: time may be skipped.
QUIET_S: Final = 4.0
# A cluster that is not at rest after this time never will be.
RESTLESS_S: Final = 300.0


@dataclass(frozen=True)
class Setup:
    """The cluster of one run, as its seed draws it."""

    seed: int
    nodes: int
    videos: int
    habits: Habits
    codec_every: int
    # How many buses there are; 0: a mesh. How many of all processes are of the last version.
    buses: int = 0
    old: float = 0.0
    # For how long a digest may be on a bus.
    stale_s: float = STALE_S


class World:
    """The whole cluster. `Actions` carries out steps on it; `finish` brings it to rest and checks
    everything."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.agenda = Agenda()
        self.tally: Tally[str] = Tally()
        self.truth = Truth()
        self.videos = [f"v{number}" for number in range(setup.videos)]
        self.network = Network(self, setup.seed, setup.codec_every, setup.buses, setup.stale_s)
        self.checks = Invariants(self)
        self.keys = Keys(self)
        self.up: dict[str, Process] = {}
        self.by_id: dict[str, Process] = {}
        # The disk at each place without a process, and since when it has none.
        self.down: dict[str, tuple[float, Disk]] = {}
        self.browsers = [Browser(f"browser {number}", self.truth) for number in range(2)]
        # How many processes have started at each place.
        self.started: Tally[str] = Tally()
        self._last_stir = 0.0
        self.tally[("run on a mesh", "run on a bus", "run on two buses")[setup.buses]] += 1
        self.agenda.every(TEND_S, self.network.tend)
        for number in range(setup.nodes):
            self.start(chr(ord("a") + number), Disk())

    # -- what is there ---------------------------------------------------------------------

    def running(self) -> Iterator[Process]:
        """The living processes, always in the same order."""
        return iter(sorted(self.up.values(), key=lambda process: process.label))

    def states(self) -> Iterator[tuple[Disk, float | None]]:
        """Every disk, and since when it has no process; None while it has one."""
        for process in self.running():
            yield process.disk, None
        for since, disk in self.down.values():
            yield disk, since

    def disks(self) -> list[Disk]:
        """Every disk."""
        return [disk for disk, _ in self.states()]

    def above(self, disk: Disk) -> Process | None:
        """The process that runs on `disk`."""
        return next((process for process in self.running() if process.disk is disk), None)

    def merged(self, disks: Iterable[Disk]) -> Tally[str]:
        """What these disks count together: see `disk.merged`."""
        return merged(disks)

    def settle(self, allowed: Tally[str] | None, why: str) -> int:
        """Check that no views are missing but those that may be. Return how many are lost now."""
        return self.truth.settle(self.disks(), allowed, why)

    # -- what replicas do ------------------------------------------------------------------

    def stir(self, what: str = "") -> None:
        """Something other than a heartbeat is going on."""
        self._last_stir = self.agenda.now
        if what:
            self.tally[what] += 1

    def deliver(self, receiver: Process, sender: str, frame: Frame) -> None:
        """`receiver` receives `frame`, which the process `sender` has sent."""
        base = receiver.replica.table.base.fingerprint
        days = receiver.replica.table.days
        by_day, first_day = days.fingerprint, days.first
        sends = receiver.replica.receive(frame, sender, receiver.clock(self.agenda.now))
        if receiver.replica.table.base.fingerprint != base:
            self.tally["base fetched from another"] += 1
            if isinstance(frame, BaseRows):
                self.checks.merged_base(receiver, frame)
        if days.first != first_day:
            self.tally["days forgotten with a peer"] += 1
        elif days.fingerprint != by_day:
            self.tally["days fetched from another"] += 1
        if isinstance(frame, Pulse) and (peer := receiver.replica.peers.by_process.get(sender)):
            self.tally["pulse not understood" if peer.riddle else "pulse understood"] += 1
        self.network.send(receiver, sends)
        self.touched(receiver)

    def touched(self, process: Process) -> None:
        """Something has happened to `process`: check it, and let it write."""
        replica = process.replica
        if replica.table.closed != process.seen_closed:
            for node, generation in replica.table.closed.items():
                if generation > process.seen_closed[node]:
                    process.closings.setdefault(node, []).append((self.agenda.now, generation))
            process.seen_closed = Generations(replica.table.closed)
        self.checks.touched(process)
        if replica.table.newest != process.seen_newest:
            process.seen_newest = Generations(replica.table.newest)
        for notice in replica.notices.take():
            self.tally[f"notice: {notice.kind}"] += 1
        if process.stage == "serving" and replica.tenure.superseded:
            process.stage = "superseded"
            self.stir()
        if process.begin_write(partial(self.network.send, process)):
            self._write(process)

    def _tick(self, process: Process) -> Callable[[], bool]:
        def act() -> bool:
            if not process.alive:
                return False
            now = self.agenda.now
            if process.frozen_until > now:
                return True
            process.frozen_until = 0.0
            missed, process.missed[:] = [*process.missed], []
            for late in missed:
                late()
            self.network.send(process, process.replica.tick(process.clock(now)))
            self.touched(process)
            process.replica.retries.outcomes.clear()
            self.keys.expired(process, process.forget_keys(now))
            self._answer_peers(process)
            if process.stage != "serving":
                self.stir()
                handed = process.hand_over(now, partial(self.network.send, process))
                self.network.send(process, process.replica.ask_to_confirm())
                if handed is not None:
                    self._end(process, handed)
            return True

        return act

    def _answer_peers(self, process: Process) -> None:
        """Answer the views that wait for a second disk once one has them; give up after 5 s."""
        waiting = []
        for since, seqs in process.unshared:
            if process.replica.holdings.shared(seqs):
                self.checks.shared(process, seqs)
                self.tally["view on a second disk"] += 1
            elif self.agenda.now - since < 5.0:
                waiting.append((since, seqs))
        process.unshared = waiting

    # -- writing ---------------------------------------------------------------------------

    def _write(self, process: Process) -> None:
        assert process.writing is not None
        changes = process.writing
        self.stir()
        self.checks.writes(process, changes)
        took_s = process.slow_s or process.rng.uniform(0.001, 0.02)
        if process.failures:
            process.failures -= 1
            self.agenda.after(took_s, lambda: self._fail(process))
            return
        self.agenda.after(took_s * process.rng.random(), lambda: self._reach(process))
        self.agenda.after(took_s, lambda: self._confirm(process))

    def _fail(self, process: Process) -> None:
        if process.frozen_until > self.agenda.now:
            process.missed.append(lambda: self._fail(process))
        elif process.alive and process.writing is not None:
            self.tally["commit failed"] += 1
            changes, process.writing = process.writing, None
            answers, process.answers = process.answers, []
            process.replica.aborted(changes)
            for request, _ in answers:
                request.answer("refused")
            self.touched(process)

    def _reach(self, process: Process) -> None:
        """The transaction is on disk; the process doesn't know it yet."""
        if not process.alive or process.writing is None:
            return
        changes, disk = process.writing, process.disk
        process.written = True
        before = Tally({video: disk.value(video) for video in self.videos})
        process.counted = self.truth.count(changes, process.label)
        process.viewed.subtract(process.counted)
        process.viewed.update(
            disk.pending[key].video for key in changes.counted if key in disk.pending
        )
        self.keys.wrote(process)
        self.checks.viewed(process)
        folded = Generations(changes.folded)
        newly = self.truth.newly_folded(folded)
        if newly:
            self.checks.fold_reaches_disk(folded)
        disk.write(changes)
        self.truth.fold(disk.folded)
        self.checks.wrote(process, before)
        if too_late := self.truth.counted_too_late(changes, process.label):
            # Its slot was folded without it. If it was cut off, the views may be lost; otherwise
            # `settle` finds the error.
            self.tally["view into a slot folded elsewhere"] += 1
            if self.checks.was_cut_off(process, too_late):
                self.truth.risked += process.counted
            newly = [*newly, too_late]
        if newly and self.settle(Tally(), f"{process} has written a fold: {[*map(str, newly)]}"):
            self.tally["views lost with a node that was folded while cut off"] += 1
        if any(not lift.last for lift in changes.lifts):
            self.tally["slot lifted in parts"] += 1

    def _confirm(self, process: Process) -> None:
        if not process.alive or process.writing is None:
            return
        if process.frozen_until > self.agenda.now:
            process.missed.append(lambda: self._confirm(process))
            return
        changes, process.writing, process.written = process.writing, None, False
        self.network.send(process, process.replica.committed(changes))
        process.disk.answered += process.counted
        answers, process.answers = process.answers, []
        for request, word in answers:
            request.answer(word)
        if process.counted and process.wants_peers:
            process.unshared.append((self.agenda.now, process.replica.holdings.own_seqs()))
            process.wants_peers = False
        process.counted = Tally()
        self.touched(process)

    # -- lives -----------------------------------------------------------------------------

    def start(self, place: str, disk: Disk, clock_h: float = 0.0) -> Process:
        """A process starts from `disk`, on a clock that is `clock_h` hours wrong."""
        self.started[place] += 1
        self.stir()
        now = self.agenda.now

        def wall_ms() -> int:
            return max(1, BEGIN_MS + int(1000 * (self.agenda.now + 3600 * clock_h)))

        seed, habits, number = self.setup.seed, self.setup.habits, self.started[place]
        old = Random(f"{seed} {place}#{number} version").random() < self.setup.old
        self.tally["process of the last version"] += old
        process = Process(place, number, disk, wall_ms, now, habits, seed, old=old)
        process.sane_clock, process.right_clock = clock_h >= 0, clock_h == 0
        process.seen_newest = Generations(process.replica.table.newest)
        process.seen_closed = Generations(process.replica.table.closed)
        process.closings = {node: [(now, g)] for node, g in process.seen_closed.items()}
        process.seen_folded = Generations(process.replica.table.folded)
        self.up[place] = self.by_id[process.id] = process
        self.checks.restored(process)
        self.agenda.every(TICK_S, self._tick(process), process.rng.uniform(0, TICK_S))
        return process

    def kill(self, process: Process) -> Disk:
        """The process is gone at once, and with it everything that it had not written. Return its
        disk."""
        process.alive = False
        self.network.forget(process)
        self.stir()
        if process.writing is not None:
            self.tally["crash after a write" if process.written else "crash in a write"] += 1
        if process.replica.table.lifting:
            self.tally["crash in the middle of a lift"] += 1
        del self.up[process.place]
        return process.disk

    def destroy(self, disk: Disk, why: str) -> None:
        """`disk` is gone for ever. It may have been the last one that had some views."""
        self.truth.mourn(disk, self.agenda.now)
        self.keys.forget(disk)
        self.tally["disk destroyed"] += 1
        if self.settle(None, why):
            self.tally["views lost with the last disk that had them"] += 1

    def _end(self, process: Process, handed: bool) -> None:
        """`process` ends by itself: it has drained, has left or is superseded."""
        self.tally[f"{process.stage}: {'all handed over' if handed else 'gave up'}"] += 1
        if handed and process.peers:
            self.checks.shared(process, process.replica.holdings.own_seqs())
        disk = self.kill(process)
        if process.stage == "draining" or not handed:
            self.down[process.place] = (self.agenda.now, disk)
            return
        # Its machine is given back, and its disk with it. What it has handed over must be all,
        # unless the disk that received it has just been destroyed.
        graves = self.truth.graves(self.agenda.now)
        self.truth.mourn(disk, self.agenda.now, handed_over=True)
        self.keys.left(process)
        allowed = merged([*self.disks(), *graves]) - merged(self.disks())
        self.settle(allowed, f"{process} was {process.stage} and had handed over all")

    def retire(self, via: str, name: str) -> bool:
        """An operator asks the node at `via` to retire `name`. Return whether it does."""
        process = self.up.get(via)
        if process is None or process.frozen_until > self.agenda.now:
            return False
        done = False
        try:
            process.replica.cluster.retire(name)
        except Refused as refused:
            self.tally[f"retire refused: {refused.code}"] += 1
        else:
            self.tally["retire"] += 1
            self.checks.retired(process, name)
            done = True
        self.touched(process)
        return done

    def heal(self) -> None:
        """Let frames pass between all nodes again."""
        self.network.cuts.clear()
        self.network.late_s.clear()
        self.stir()

    # -- time ------------------------------------------------------------------------------

    def run_for(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let this time pass, with everything that is due in it; stop earlier once `until()`."""
        end = self.agenda.now + seconds
        while self.agenda.next(end) and not until():
            pass

    def run_long(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """The same for hours: skip the time in which nothing happens."""
        end = self.agenda.now + seconds
        while self.agenda.now < end and not until():
            if self._is_quiet() and (skip_s := min(end, self._next_event()) - self.agenda.now) > 3:
                self.checks.quiet()
                # Stop short of the next event: it isn't always the same process that sees it first.
                self._skip(skip_s - 2.0)
            self.run_for(min(1.0, end - self.agenda.now), until)

    def _is_quiet(self) -> bool:
        quiet_s = QUIET_S + max(self.network.late_s.values(), default=0.0)
        return (
            self.agenda.now - self._last_stir > quiet_s
            and not self.network.silent
            and not self.keys.under_way
            and self.network.held_up_s() < quiet_s
            and not self._writes()
        )

    def _writes(self) -> bool:
        now = self.agenda.now
        return any(one.writing and one.frozen_until <= now for one in self.running())

    def _next_event(self) -> float:
        """When the next grace or pause ends, or a missing member is overdue."""
        left = [process.frozen_until - self.agenda.now for process in self.running()]
        left += [DAY_S - process.day_s(self.agenda.now) for process in self.running()]
        retire_after_s = self.setup.habits.retire_after_s
        for process in self.running():
            for fold in process.replica.cluster.folds(process.clock(self.agenda.now)):
                for obstacle in fold.obstacles:
                    if obstacle.kind == "grace":
                        left.append(obstacle.amount)
                    elif obstacle.kind == "missing" and retire_after_s is not None:
                        left.append(retire_after_s - obstacle.amount)
        return self.agenda.now + min((s for s in left if s > 0), default=1e12)

    def _skip(self, seconds: float) -> None:
        self.agenda.skip(seconds)
        self._last_stir = self.agenda.now

    def rest(self, everybody: bool) -> None:
        """Heal all links, wait until nothing is on its way, and check. With `everybody`, also check
        that nothing is missing, if no disk is down."""
        self.heal()
        self.network.weather = WEATHERS["calm"]
        for process in self.running():
            process.frozen_until, process.failures, process.slow_s = 0.0, 0, 0.0
        self.run_for(self.network.held_up_s())
        begun = self.agenda.now
        # Longer than a transfer waits until it asks again, and than a lost digest delays anything.
        while self.agenda.now - self._last_stir < 3 * QUIET_S or self._writes():
            self.run_for(1.0)
            if self.agenda.now - begun > RESTLESS_S:
                raise Broken("5", f"not at rest after {RESTLESS_S:g} s")
        self.checks.rest(everybody and not self.down)

    def finish(self) -> None:
        """Start every node that is down, connect all, and let the grace pass. All must be exact."""
        self.rest(everybody=True)
        for place in sorted(self.down):
            if place in self.down and place not in self.up:
                self.start(place, self.down.pop(place)[1])
                self.run_for(3.0)
        if not self.up:
            self.start("a", Disk())
        self.rest(everybody=True)
        self._retire_the_missing()
        self._run_for_a_grace()
        self.rest(everybody=True)
        self.checks.small()
        # Some started on a clock that was hours ahead.
        self.run_long(self.setup.habits.retention_s + 6 * 3600)
        self._run_for_a_grace()
        self.rest(everybody=True)
        self.checks.small()
        self.checks.few_names()
        self.keys.rest()
        for process in self.running():
            for video in self.videos:
                self.browsers[0].receive(0, process.replica.table.snapshot(video))

    def _run_for_a_grace(self) -> None:
        """Run until what is closed now is folded, and no midnight has just closed more."""
        grace_s = self.setup.habits.grace_s + 20.0
        left_s = grace_s
        while left_s > 0:
            self.run_long(left_s)
            now = self.agenda.now
            left_s = max((grace_s - each.day_s(now) for each in self.running()), default=0.0)

    def _retire_the_missing(self) -> None:
        for process in [*self.running()]:
            for member, _, _ in process.replica.observe().members:
                if member.state == "missing":
                    self.retire(process.place, member.node)
            self.run_for(3.0)
