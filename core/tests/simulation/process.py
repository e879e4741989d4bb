"""A running node: a real replica, and a driver that does everything that `ratchet.replica` asks.

The driver ticks the replica four times a second, writes its changes, answers views when they are on
disk, and hands over when the process drains, leaves or is superseded. A disk takes time; it may
stall, and it may fail. When a process is killed, everything that is not on its disk is lost.
"""

from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, NamedTuple

from ratchet.changes import Changes
from ratchet.frames import DAYS_SINCE, PULSES_SINCE, VERSIONS, Hello, Send, Versions
from ratchet.generations import Generations
from ratchet.options import Options
from ratchet.replica import Replica
from ratchet.retries import Fate
from ratchet.slot import Slot

from simulation.disk import Disk

Stage = Literal["serving", "draining", "leaving", "superseded"]

DAY_S: Final = 86_400.0
# How long a process that ends tries to hand over.
HAND_OVER_S: Final = {"draining": 5.0, "leaving": 30.0, "superseded": 30.0}


@dataclass(frozen=True)
class Habits:
    """The settings of all replicas of one run."""

    # At most how many rows a frame has, and a commit lifts.
    chunk: int
    lifted: int
    grace_s: float
    retire_after_s: float | None
    # When names that have gone are forgotten, and how many are spared.
    retention_s: float
    spare_names: int
    # How large a digest may be that is never sent as a pulse.
    max_whole: int
    # For how many days views are kept by day.
    kept_days: int = 0


class Request(NamedTuple):
    """A view with a key. `answer` is called with what became of it."""

    key: str
    video: str
    # It does not say that it is a retry.
    first: bool
    answer: Callable[[str], None]


class Process:
    """One process of a node, from its start to its end. `World` gives it time, frames and views."""

    def __init__(
        self,
        place: str,
        number: int,
        disk: Disk,
        wall_ms: Callable[[], int],
        now: float,
        habits: Habits,
        seed: int,
        *,
        old: bool = False,
    ) -> None:
        """`place` is where it runs: the node's name, and a `+` for a copy that runs beside it.
        `old`: it is of an earlier version, which has no days and perhaps no pulses."""
        self.place = place
        self.name = place.rstrip("+")
        self.id = f"{sum(map(ord, place)):04x}{number:04x}{seed % 2**32:08x}"
        self.label = f"{place}#{number}"
        self.disk = disk
        self.rng = Random(f"{seed} {self.label}")
        self.versions = VERSIONS
        if old:
            newest = Random(f"{seed} {self.label} version").choice((PULSES_SINCE, DAYS_SINCE)) - 1
            self.versions = Versions(VERSIONS.oldest, newest)
        self.started_ms = wall_ms()
        self.alive = True
        self.started_s = now
        self.stage: Stage = "serving"
        # When it gives up handing over.
        self.deadline: float | None = None
        # Whether it has closed its slot.
        self.left = False
        # The keys that it has begun to hand over.
        self.given: set[str] = set()
        self.said_farewell = False
        # Until when it is stopped (SIGSTOP), and what it does first afterwards.
        self.frozen_until = 0.0
        self.missed: list[Callable[[], None]] = []
        # How far its own clock is from the agenda's: a replica needs a clock that goes forward, and
        # no more.
        self._offset = self.rng.uniform(0, 1000) - now
        self.sane_clock = True
        # Whether its clock is neither ahead nor behind.
        self.right_clock = True
        # How many of the next commits fail, and how many seconds each takes; 0: as usual.
        self.failures = 0
        self.slow_s = 0.0
        self.writing: Changes | None = None
        # Whether `writing` is on disk already; the replica doesn't know it yet.
        self.written = False
        # The own views in `writing`, which are answered when it is confirmed.
        self.counted: Tally[str] = Tally()
        # Whether the next write has views that are answered only when a second disk has them.
        self.wants_peers = False
        # Views that are on no disk yet, also those whose commit failed.
        self.viewed: Tally[str] = Tally()
        # Views that wait for a second disk: since when, and the seqs that must be there.
        self.unshared: list[tuple[float, dict[Slot, int]]] = []
        # Views with a key that wait for the next write, and the answers to those in `writing`.
        self.requests: list[Request] = []
        self.answers: list[tuple[Request, str]] = []
        # What the checks have seen of it, to compare with.
        self.reached: Tally[str] = Tally()
        self.reached_by_day: dict[str, dict[int, int]] = {}
        self.seen_newest = Generations()
        self.seen_folded = Generations()
        self.seen_closed = Generations()
        self.seen_slot: Slot | None = None
        self.seen_columns: set[Slot] = set()
        self.closings: dict[str, list[tuple[float, int]]] = {}
        self.claims: dict[Slot, tuple[int, int | None, int]] = {}
        # The disks of the processes that were ever connected to it, and when each was last.
        self.met: list[tuple[Disk, float]] = []
        self.replica = Replica(
            Hello(self.name, self.id, f"http://{self.name}:1234", self.versions),
            wall_ms,
            _unlike(8 * number + place.count("+")),
            self.clock(now),
            Options(
                grace_s=habits.grace_s,
                retire_after_s=habits.retire_after_s,
                max_rows=habits.chunk,
                max_lifted=habits.lifted,
                retention_s=habits.retention_s,
                spare_names=habits.spare_names,
                max_whole=habits.max_whole,
                kept_days=0 if old else habits.kept_days,
            ),
        )
        for part in disk.read():
            self.replica.restore(part)

    def __repr__(self) -> str:
        return self.label

    def forget_keys(self, now: float) -> dict[str, float]:
        """Forget keys that have expired, and for which nobody can ask any more."""
        heard_until = self.replica.inquiries.heard_until(self.clock(now))
        return self.disk.forget_keys(heard_until - self._offset)

    def clock(self, now: float) -> float:
        """The time on its own clock."""
        return now + self._offset

    @property
    def peers(self) -> set[str]:
        """The processes that it is connected to."""
        return set(self.replica.peers.by_process)

    @property
    def has_days(self) -> bool:
        """Whether its version has days."""
        return self.versions.newest >= DAYS_SINCE

    def day_s(self, now: float) -> float:
        """For how many seconds its day has lasted. (A clock that begins in 1970 stands still before
        that, but the process counts on from its start.)"""
        return (self.started_ms / 1000 + now - self.started_s) % DAY_S

    def meet(self, disk: Disk, now: float) -> None:
        """It is connected to the process on `disk`, or was until now."""
        self.met = [(other, heard) for other, heard in self.met if other is not disk]
        self.met.append((disk, now))

    def met_s(self, disk: Disk, now: float) -> float | None:
        """How long ago it was connected to the process on `disk`; None if it never was."""
        return next((now - heard for other, heard in self.met if other is disk), None)

    def view(self, video: str, views: int, peers: bool) -> bool:
        """Count views, and return whether they are accepted. `peers`: answer them only when a
        second disk has them."""
        if self.stage != "serving" or self.replica.tenure.superseded:
            return False
        self.replica.count(video, views)
        self.viewed[video] += views
        self.wants_peers |= peers
        return True

    def begin_write(self, send: Callable[[list[Send]], None]) -> bool:
        """Begin a write, if there is something to write and no write is under way. Return whether
        it began."""
        if self.writing is None:
            send(self._look_up())
            self.writing = self.replica.changes(confirm=self.wants_peers or self.stage != "serving")
            self.written = False
            return self.writing is not None
        return False

    def _look_up(self) -> list[Send]:
        """Look up the keys of all views and questions, and decide what becomes of them. What can be
        answered at once."""
        retries, known = self.replica.retries, self.disk.keys
        requests: list[Request] = []
        if self.replica.counting and self.stage == "serving":
            requests, self.requests = self.requests, requests
        for request in requests:
            key, video = request.key, request.video
            fate = retries.fate(key, known, first=request.first)
            if fate is Fate.NEW:
                self.replica.count(video)
                self.viewed[video] += 1
                retries.count(key, video)
            elif fate is Fate.PENDING:
                retries.wait(key, video, known)
            self.answers.append((request, fate.name.lower()))
        if self.stage != "serving":
            self.answers += [(request, "refused") for request in self.requests]
            self.requests = []
        return retries.answer(known)

    def hand_over(self, now: float, send: Callable[[list[Send]], None]) -> bool | None:
        """Hand over, and `send` what that takes. Return True when all is handed over, False when
        it gives up, None while it goes on."""
        if self.stage == "serving":
            return None
        if self.deadline is None:
            self.deadline = now + HAND_OVER_S[self.stage]
        replica = self.replica
        waits = replica.counting and any(replica.journal.waiting(video) for video in self.viewed)
        if self.writing is None and not waits:
            if self.stage == "leaving" and not self.left:
                replica.leave()
                self.left = True
                return None
            if self.stage == "draining":
                handed = bool(self.peers) and replica.holdings.shared(replica.holdings.own_seqs())
            else:
                handed = self._all_handed_over(send)
            if handed:
                return True
        return False if now >= self.deadline else None

    def _all_handed_over(self, send: Callable[[list[Send]], None]) -> bool:
        """Whether somebody who stays has all rows, and all keys that were counted here."""
        retries = self.replica.retries
        if not retries.leaving:
            return False
        counted = {key: video for key, video in self.disk.keys.items() if video is not None}
        left = {key: video for key, video in counted.items() if key not in self.given}
        self.given |= left.keys()
        if left:
            send(retries.handover.give(left))
        if retries.handover or self.replica.unshared():
            return False
        if self.replica.tenure.left and not self.said_farewell:
            self.said_farewell = True
            # It may arrive before the connection ends.
            send(self.replica.farewell())
            return False
        return True


def _unlike(number: int) -> Callable[[int], int]:
    """A source of chance that gives each process of a run another number, and always the same."""
    return lambda below: number * 37 % below
