"""A cluster on virtual time: its processes, disks, wire and browsers, and what hits them."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from ratchet.frames import BaseRows, Frame
from ratchet.generations import Generations
from ratchet.members import Refused
from ratchet.snapshot import Snapshot

from simulation.agenda import Agenda
from simulation.browsers import Browser
from simulation.disk import Disk, merged
from simulation.invariants import Invariants
from simulation.network import KEPT, TEND_S, WEATHERS, Network
from simulation.process import Habits, Process
from simulation.steps import Step
from simulation.truth import Broken, Truth

# The wall clock at which a world begins, in milliseconds.
BEGIN_MS: Final = 1_763_800_000_000
TICK_S: Final = 0.25
# With nothing but heartbeats for so long, nothing is on its way: time may be skipped.
QUIET_S: Final = 4.0
# A cluster that doesn't come to rest in this time never will.
RESTLESS_S: Final = 300.0


@dataclass(frozen=True)
class Setup:
    """What a run is drawn to be like."""

    seed: int
    nodes: int
    videos: int
    habits: Habits
    codec_every: int


class World:
    """All there is. `do` carries out a step; `finish` brings it to rest and looks at everything."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.agenda = Agenda()
        self.tally: Tally[str] = Tally()
        self.truth = Truth()
        self.videos = [f"v{number}" for number in range(setup.videos)]
        self.network = Network(self, setup.seed, setup.codec_every)
        self.checks = Invariants(self)
        self.up: dict[str, Process] = {}
        self.by_id: dict[str, Process] = {}
        # Disks without a process, and since when.
        self.down: dict[str, tuple[float, Disk]] = {}
        self.backups: dict[str, Disk] = {}
        self.browsers = [Browser(f"browser {number}", self.truth) for number in range(2)]
        self.old_browsers: list[Browser] = []
        self.told: list[Snapshot] = []
        self.retired: set[str] = set()
        self._started: Tally[str] = Tally()
        self._last_stir = 0.0
        self.agenda.every(TEND_S, self.network.tend)
        for number in range(setup.nodes):
            self.start(chr(ord("a") + number), Disk())

    # -- what is there ---------------------------------------------------------------------

    def running(self) -> Iterator[Process]:
        """The living processes, always in the same order."""
        return iter(sorted(self.up.values(), key=lambda process: process.label))

    def states(self) -> Iterator[tuple[Disk, float | None]]:
        """Every disk that there is, and since when its process is gone."""
        for process in self.running():
            yield process.disk, None
        for since, disk in self.down.values():
            yield disk, since

    def disks(self) -> list[Disk]:
        """Every disk that there is."""
        return [disk for disk, _ in self.states()]

    def above(self, disk: Disk) -> Process | None:
        """The process that runs on `disk`."""
        return next((process for process in self.running() if process.disk is disk), None)

    def merged(self, disks: Iterable[Disk]) -> Tally[str]:
        """What these disks make together."""
        return merged(disks)

    def settle(self, allowed: Tally[str] | None, why: str) -> int:
        """Look whether views are missing that may not be; how many are lost now."""
        return self.truth.settle(self.disks(), allowed, why)

    # -- what replicas do ------------------------------------------------------------------

    def stir(self, what: str = "") -> None:
        """Something other than a heartbeat is going on."""
        self._last_stir = self.agenda.now
        if what:
            self.tally[what] += 1

    def hand(self, receiver: Process, sender: str, frame: Frame) -> None:
        """A frame arrives."""
        base = receiver.replica.table.base.fingerprint
        sends = receiver.replica.receive(frame, sender, receiver.clock(self.agenda.now))
        if receiver.replica.table.base.fingerprint != base:
            self.tally["base fetched from another"] += 1
            if isinstance(frame, BaseRows):
                self.checks.merged_base(receiver, frame)
        self.network.send(receiver, sends)
        self.touched(receiver)

    def touched(self, process: Process) -> None:
        """Look at a process to which something has happened, and let it write."""
        replica = process.replica
        if replica.table.closed != process.seen_closed:
            for node, generation in replica.table.closed.items():
                if generation > process.seen_closed.get(node, -1):
                    process.closings.setdefault(node, []).append((self.agenda.now, generation))
            process.seen_closed = dict(replica.table.closed)
        self.checks.touched(process)
        for notice in replica.notices.take():
            self.tally[f"notice: {notice.kind}"] += 1
        if process.stage == "serving" and replica.tenure.superseded:
            process.stage = "superseded"
            self.stir()
        if process.begin_write():
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
            self._answer_peers(process)
            if process.stage != "serving":
                self.stir()
                handed = process.hand_over(now)
                self.network.send(process, process.replica.ask_to_confirm())
                if handed is not None:
                    self._end(process, handed)
            return True

        return act

    def _answer_peers(self, process: Process) -> None:
        """Views that wait for a second disk are answered when there is one, or given up."""
        waiting = []
        for since, extents in process.unshared:
            if process.replica.holdings.shared(extents):
                self.checks.shared(process, extents)
                self.tally["view on a second disk"] += 1
            elif self.agenda.now - since < 5.0:
                waiting.append((since, extents))
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
            process.replica.aborted(changes)
            self.touched(process)

    def _reach(self, process: Process) -> None:
        """The transaction is on disk; the process doesn't know yet."""
        if not process.alive or process.writing is None:
            return
        changes, disk = process.writing, process.disk
        process.written = True
        before = Tally({video: disk.value(video) for video in self.videos})
        process.counted = self.truth.count(changes, process.label)
        process.viewed.subtract(process.counted)
        self.checks.viewed(process)
        folded = Generations(changes.folded)
        newly = self.truth.newly_folded(folded)
        if newly:
            self.checks.fold_reaches_disk(folded)
        disk.write(changes)
        self.truth.fold(disk.folded)
        self.checks.wrote(process, before)
        if too_late := self.truth.counted_too_late(changes, process.label):
            # Its slot was folded without it: lost, if it was cut off; otherwise it is looked into.
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
        if process.counted and process.wants_peers:
            process.unshared.append((self.agenda.now, process.replica.holdings.own_seqs()))
            process.wants_peers = False
        process.counted = Tally()
        self.touched(process)

    # -- lives -----------------------------------------------------------------------------

    def start(self, place: str, disk: Disk, clock_h: float = 0.0) -> Process:
        """A process begins, on a clock that is so many hours wrong."""
        self._started[place] += 1
        self.stir()
        now = self.agenda.now
        wall_ms = max(1, BEGIN_MS + int(1000 * (now + 3600 * clock_h)))
        process = Process(
            place, self._started[place], disk, wall_ms, now, self.setup.habits, self.setup.seed
        )
        process.sane_clock = clock_h >= 0
        process.seen_closed = dict(process.replica.table.closed)
        process.closings = {node: [(now, g)] for node, g in process.seen_closed.items()}
        process.seen_folded = dict(process.replica.table.folded)
        self.up[place] = self.by_id[process.id] = process
        self.checks.restored(process)
        self.agenda.every(TICK_S, self._tick(process), process.rng.uniform(0, TICK_S))
        return process

    def kill(self, process: Process) -> Disk:
        """It is gone at once, and what it had not written with it."""
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
        """A disk is gone for ever; it may have been the last one with some views."""
        self.truth.mourn(disk, self.agenda.now)
        self.tally["disk destroyed"] += 1
        if self.settle(None, why):
            self.tally["views lost with the last disk that had them"] += 1

    def _end(self, process: Process, handed: bool) -> None:
        """It stops by itself: drained, left or superseded."""
        self.tally[f"{process.stage}: {'all handed over' if handed else 'gave up'}"] += 1
        if handed and process.peers:
            self.checks.shared(process, process.replica.holdings.own_seqs())
        disk = self.kill(process)
        if process.stage == "draining" or not handed:
            self.down[process.place] = (self.agenda.now, disk)
            return
        # Its machine is given back: what it has handed over must be enough, unless somebody who
        # had it was just destroyed.
        graves = self.truth.graves(self.agenda.now)
        self.truth.mourn(disk, self.agenda.now, handed_over=True)
        allowed = merged([*self.disks(), *graves]) - merged(self.disks())
        self.settle(allowed, f"{process} was {process.stage} and had handed over all")

    # -- time ------------------------------------------------------------------------------

    def run_for(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Whatever is due happens, for so long, or `until` something is seen."""
        end = self.agenda.now + seconds
        while self.agenda.next(end) and not until():
            pass

    def run_long(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """The same, but where nothing goes on, nothing is waited for."""
        end = self.agenda.now + seconds
        while self.agenda.now < end and not until():
            if self._is_quiet() and (skip_s := min(end, self._next_event()) - self.agenda.now) > 3:
                self.checks.quiet()
                # Stop short of it: who is first to see it isn't always the same.
                self._skip(skip_s - 2.0)
            self.run_for(min(1.0, end - self.agenda.now), until)

    def _is_quiet(self) -> bool:
        return (
            self.agenda.now - self._last_stir > QUIET_S
            and not self.network.silent
            and not self._writes()
        )

    def _writes(self) -> bool:
        now = self.agenda.now
        return any(one.writing and one.frozen_until <= now for one in self.running())

    def _next_event(self) -> float:
        """When a grace or a pause is over, or a member has been missing for too long."""
        left = [process.frozen_until - self.agenda.now for process in self.running()]
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
        """Heal all, and wait until nothing is on its way any more."""
        self._heal()
        self.network.weather = WEATHERS["calm"]
        for process in self.running():
            process.frozen_until, process.failures, process.slow_s = 0.0, 0, 0.0
        begun = self.agenda.now
        # Longer than a transfer waits before it is begun anew, and than a lost digest takes.
        while self.agenda.now - self._last_stir < 3 * QUIET_S or self._writes():
            self.run_for(1.0)
            if self.agenda.now - begun > RESTLESS_S:
                raise Broken("5", f"not at rest after {RESTLESS_S:g} s")
        self.checks.rest(everybody and not self.down)

    def finish(self) -> None:
        """Everybody comes back and hears everybody; then the grace passes. All must be exact."""
        self.rest(everybody=True)
        for place in sorted(self.down):
            if place in self.down and place not in self.up:
                self.start(place, self.down.pop(place)[1])
                self.run_for(3.0)
        if not self.up:
            self.start("a", Disk())
        self.rest(everybody=True)
        self._retire_the_missing()
        self.run_long(self.setup.habits.grace_s + 20.0)
        self.rest(everybody=True)
        self.checks.small()
        for process in self.running():
            for video in self.videos:
                self._look(self.browsers[0], 0, process, video)

    def _retire_the_missing(self) -> None:
        for process in [*self.running()]:
            for member, _, _ in process.replica.observe().members:
                if member.state == "missing":
                    self._retire(process.place, member.node)
            self.run_for(3.0)

    # -- steps -----------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Carry out `step`; nothing happens where it doesn't fit."""
        act: Callable[..., None] = getattr(self, f"_{step.op.replace('-', '_')}_step")
        act(*step.words)

    def _view_step(self, place: str, video: str, views: int, ack: str = "disk") -> None:
        if process := self.up.get(place):
            taken = process.view(video, views, ack == "peers")
            self.tally["views" if taken else "view refused"] += 1
            self.stir()
            if process.frozen_until <= self.agenda.now:
                self.touched(process)

    def _burst_step(self, place: str, count: int, over_s: float) -> None:
        chance = Random(f"{place} {count} {self._started[place]}")
        for _ in range(count):
            view = partial(self._view_step, place, chance.choice(self.videos), 1)
            self.agenda.after(chance.uniform(0, over_s), view)

    def _pass_step(self, seconds: float) -> None:
        self.run_for(seconds)

    def _hours_step(self, hours: float) -> None:
        self.run_long(hours * 3600)

    def _until_lifting_step(self, hours: float) -> None:
        self.run_long(hours * 3600, self._is_lifting)

    def _is_lifting(self) -> bool:
        return any(process.replica.table.lifting for process in self.running())

    def _crash_lifting_step(self) -> None:
        """Whoever is just lifting a slot is killed, and starts again."""
        for process in [*self.running()]:
            if process.replica.table.lifting:
                self._crash_step(process.place)
                self._start_step(process.place)
                return

    def _rest_step(self) -> None:
        self.rest(everybody=True)

    def _weather_step(self, kind: str) -> None:
        self.network.weather = WEATHERS[kind]
        self.tally[f"weather: {kind}"] += 1

    def _cut_step(self, sender: str, receiver: str) -> None:
        self.network.cuts.add((sender, receiver))
        self.tally["partition: one-way"] += 1

    def _split_step(self, sides: str) -> None:
        self._divide(sides.split("|"))
        self.tally["partition: whole"] += 1

    def _isolate_step(self, place: str) -> None:
        letters = {known[0] for known in (*self.up, *self.down)}
        others = {letter + copy for letter in letters for copy in ("", "+")} - {place}
        self.network.cuts |= {ends for other in others for ends in ((place, other), (other, place))}
        self.tally["partition: one node cut off"] += 1

    def _bridge_step(self, sides: str, bridge: str) -> None:
        self._divide(sides.split("|"), bridge)
        self.tally["partition: bridge"] += 1

    def _ring_step(self) -> None:
        places = sorted(self.up)
        for index, one in enumerate(places):
            for other in range(index + 2, len(places)):
                if (index, other) != (0, len(places) - 1):
                    self.network.cuts |= {(one, places[other]), (places[other], one)}
        self.tally["partition: ring"] += 1

    def _divide(self, sides: list[str], bridge: str = "") -> None:
        """Nothing comes from one side to another, but at the `bridge`. A side is its places, one
        letter each; copies are where their original is."""
        ends = [
            (one, two)
            for here in sides
            for there in sides
            if here != there
            for one in _places(here)
            for two in _places(there)
        ]
        self.network.cuts |= {pair for pair in ends if not bridge or bridge not in pair}

    def _heal_step(self) -> None:
        self._heal()

    def _heal(self) -> None:
        self.network.cuts.clear()
        self.stir()

    def _crash_step(self, place: str) -> None:
        if process := self.up.get(place):
            self.tally["crash"] += 1
            self.down[place] = (self.agenda.now, self.kill(process))

    def _start_step(self, place: str, clock_h: float = 0.0) -> None:
        if place not in self.down or place in self.up:
            return
        disk = self.down.pop(place)[1]
        kind = "disk" if disk.newest else "empty disk"
        clock = "" if not clock_h else ", clock back" if clock_h < 0 else ", clock ahead"
        self.tally[f"start from {kind}{clock}"] += 1
        if place.rstrip("+") in self.retired:
            gone = disk.own is not None and disk.own.generation <= self.truth.folded.get(
                disk.own.node, -1
            )
            self.tally["return after the fold" if gone else "return within the grace"] += 1
        self.start(place, disk, clock_h)

    def _join_step(self, place: str) -> None:
        if place not in self.up and place not in self.down:
            self.tally["join"] += 1
            self.start(place, Disk())

    def _wipe_step(self, place: str) -> None:
        """Its disk is lost; it will come back with nothing."""
        self._crash_step(place)
        if place in self.down:
            _, disk = self.down[place]
            self.down[place] = (self.agenda.now, Disk())
            self.destroy(disk, f"the disk of {place} is destroyed")

    def _scrap_step(self, place: str) -> None:
        """Its machine is lost, and won't come back."""
        self._crash_step(place)
        if place in self.down:
            _, disk = self.down.pop(place)
            self.tally["machine lost for ever"] += 1
            self.destroy(disk, f"the machine of {place} is lost")

    def _backup_step(self, place: str) -> None:
        if process := self.up.get(place):
            self.tally["backup"] += 1
            self.backups[place] = process.disk.copy()

    def _restore_step(self, place: str) -> None:
        """Its disk is lost, and an old backup takes its place."""
        self._crash_step(place)
        if place in self.down and place in self.backups:
            _, disk = self.down[place]
            self.down[place] = (self.agenda.now, self.backups[place].copy())
            self.tally["old backup put in place"] += 1
            self.destroy(disk, f"the disk of {place} is replaced by an old backup")

    def _twin_step(self, place: str, clock_h: float = 0.0) -> None:
        """A copy of its directory is started beside it."""
        copy = f"{place}+"
        if (process := self.up.get(place)) and copy not in self.up and copy not in self.down:
            self.tally["copied directory beside the living"] += 1
            self.start(copy, process.disk.copy(), clock_h)

    def _old_twin_step(self, place: str) -> None:
        """A backup is started beside the living."""
        copy = f"{place}+"
        if place in self.up and place in self.backups and {copy}.isdisjoint({*self.up, *self.down}):
            self.tally["old backup beside the living"] += 1
            self.start(copy, self.backups[place].copy())

    def _drain_step(self, place: str) -> None:
        self._stop(place, "draining")

    def _leave_step(self, place: str) -> None:
        self._stop(place, "leaving")

    def _stop(self, place: str, stage: str) -> None:
        process = self.up.get(place)
        if process and process.stage == "serving":
            self.tally[stage] += 1
            if process.replica.table.own is None:
                self.tally[f"{stage} during the start"] += 1
            process.stage = "draining" if stage == "draining" else "leaving"

    def _retire_step(self, via: str, name: str) -> None:
        self._retire(via, name)

    def _retire(self, via: str, name: str) -> None:
        process = self.up.get(via)
        if process is None or process.frozen_until > self.agenda.now:
            return
        try:
            process.replica.retire(name)
        except Refused as refused:
            self.tally[f"retire refused: {refused.code}"] += 1
        else:
            self.tally["retire"] += 1
            self.retired.add(name)
            self.checks.retired(process, name)
        self.touched(process)

    def _fail_step(self, place: str, times: int) -> None:
        if process := self.up.get(place):
            process.failures = times

    def _slow_step(self, place: str, seconds: float) -> None:
        if process := self.up.get(place):
            self.tally["slow disk"] += 1
            process.slow_s = seconds

    def _freeze_step(self, place: str, seconds: float) -> None:
        if process := self.up.get(place):
            self.tally["process paused"] += 1
            process.frozen_until = self.agenda.now + seconds

    def _replays_step(self, place: str, count: int, over_s: float) -> None:
        chance = Random(f"{place} {count} {over_s} {self.setup.seed}")
        for _ in range(count):
            again = partial(self._replay_step, place, chance.randrange(KEPT))
            self.agenda.after(chance.uniform(0, over_s), again)

    def _replay_step(self, place: str, pick: int) -> None:
        process = self.up.get(place)
        if process and process.frozen_until <= self.agenda.now:
            self.tally["old frame again"] += self.network.replay(pick, process)

    # -- browsers --------------------------------------------------------------------------

    def _look_step(self, number: int, tab: int, place: str, video: str) -> None:
        if process := self.up.get(place):
            self.tally["snapshot to a browser"] += 1
            self._look(self.browsers[number], tab, process, video)

    def _look(self, browser: Browser, tab: int, process: Process, video: str) -> None:
        told = process.replica.table.snapshot(video)
        self.told.append(told)
        browser.hear(tab, told)

    def _again_step(self, number: int, tab: int, pick: int) -> None:
        if self.told:
            self.tally["old snapshot again"] += 1
            self.browsers[number].hear(tab, self.told[pick % len(self.told)])

    def _reload_step(self, number: int, tab: int) -> None:
        self.tally["tab reloaded"] += 1
        self.browsers[number].reload(tab)

    def _tab_step(self, number: int) -> None:
        if len(self.browsers[number].tabs) < 3:
            self.tally["second tab"] += 1
            self.browsers[number].open_tab()

    def _age_step(self, number: int) -> None:
        self.old_browsers.append(self.browsers[number].age())

    def _revive_step(self, number: int, pick: int) -> None:
        """An old profile is opened again, in the place of another."""
        if self.old_browsers:
            self.tally["browser comes back with an old state"] += 1
            self.browsers[number] = self.old_browsers[pick % len(self.old_browsers)].age()
            self.browsers[number].reload(0)


def _places(side: str) -> list[str]:
    """The places of one side of a split: `ab` is a, b and their copies."""
    return [letter + copy for letter in side if letter != "+" for copy in ("", "+")]
