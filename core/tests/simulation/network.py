"""Which processes are connected, and what happens to frames: loss, doubling, delay, replay.

A mesh connects pairs of processes. On a bus a process is connected to all whom it hears, also if
they don't hear it. A bus hands everything to a process in one order. It may hold all of that up
for a minute, and then hand it over at once; or it may be late all the time. Of two buses each
carries everything, each with a lag of its own. A bus keeps the promise of the server's `ports`: it
drops digests and pulses that were on their way for too long.

The fate of a frame is drawn from the seed and its two ends alone. So a schedule with one step less
changes as little else as possible, and schedules shrink well.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from ratchet import codec
from ratchet.frames import (
    PULSES_SINCE,
    VERSIONS,
    Ask,
    AskKeys,
    Frame,
    Have,
    Heartbeat,
    Hello,
    Pulse,
    Rows,
    Send,
    TellKeys,
)
from ratchet.slot import Slot

from simulation.process import Process
from simulation.truth import Broken

if TYPE_CHECKING:
    from simulation.world import World

# How often each pair of processes is looked at: to connect them, or to notice that one is silent.
TEND_S: Final = 0.5
# How many sent frames are kept, to replay them.
KEPT: Final = 3000
# How long a frame takes on each bus, on average.
BUS_S: Final = (0.03, 0.5)
# A digest or a pulse that was on its way for longer is dropped by a bus: the server's `freshness`.
STALE_S: Final = 10.0


class Weather(NamedTuple):
    """What the wire does to frames. `lost`, `doubled` and `late` are shares of all frames."""

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    late_s: float = 0.0
    usual_s: float = 0.03


WEATHERS: Final = {
    "calm": Weather(),
    "lossy": Weather(lost=0.3),
    "doubling": Weather(doubled=0.5, late=0.3, late_s=1.0),
    "late": Weather(late=0.4, late_s=4.0),
    "slow": Weather(usual_s=1.5),
    "stormy": Weather(lost=0.25, doubled=0.2, late=0.3, late_s=8.0, usual_s=0.5),
}


class Network:
    """Connections between all processes that can reach each other, and the frames on them."""

    def __init__(
        self,
        world: "World",
        seed: int,
        codec_every: int,
        buses: int = 0,
        stale_s: float = STALE_S,
    ) -> None:
        """One frame in `codec_every` goes through the codec, as every frame does in a real node.
        `buses`: how many there are; 0: a mesh. `stale_s`: what a bus drops."""
        self.weather = WEATHERS["calm"]
        # Sender and receiver, by place: no frame passes between them this way.
        self.cuts: set[tuple[str, str]] = set()
        self.sent: list[tuple[str, str | None, Frame]] = []
        self._world = world
        self.buses = buses
        self.stale_s = stale_s
        # Until when each bus holds up what is for a place, and when the last frame for a process
        # arrives.
        self._lags: dict[tuple[int, str], float] = {}
        # How late each bus always is with what is for a place.
        self.late_s: dict[tuple[int, str], float] = {}
        self._arrivals: dict[tuple[int, str], float] = {}
        self._seed = seed
        self._codec_every = codec_every
        self._chances: dict[tuple[str, str], Random] = {}
        # Frames are numbered as they are sent: the last number, and the last that arrived each way.
        self._flown = 0
        self._landed: dict[tuple[str, str], int] = {}
        # Transfers in several frames that are under way: the receiver, the sender and the slot.
        self._parts: set[tuple[str, str, Slot]] = set()
        # When two processes last connected.
        self.last_joined = 0.0
        # Since when a process receives nothing from another that it takes to be connected.
        self.silent: dict[tuple[str, str], float] = {}

    def open(self, sender: Process, receiver: Process) -> bool:
        """Whether frames pass this way."""
        return sender.alive and receiver.alive and (sender.place, receiver.place) not in self.cuts

    def chance(self, sender: Process, receiver: Process) -> Random:
        """The source of chance that decides the fate of frames from one to the other."""
        ends = sender.label, receiver.label
        if ends not in self._chances:
            self._chances[ends] = Random(f"{self._seed} {ends}")
        return self._chances[ends]

    # -- connections -----------------------------------------------------------------------

    def tend(self) -> bool:
        """Connect the processes that can reach each other; part those that have been silent for
        some seconds."""
        processes = [*self._world.running()]
        for index, one in enumerate(processes):
            for two in processes[index + 1 :]:
                self._tend_pair(one, two)
        for one in processes:
            for gone in one.peers.difference(process.id for process in processes):
                self._listen(one, gone)
        return True

    def _tend_pair(self, one: Process, two: Process) -> None:
        now = self._world.agenda.now
        ends = (one, two), (two, one)
        if self.buses:
            for here, there in ends:
                if here.frozen_until <= now:
                    self._tend_hearing(here, there)
            return
        if any(process.frozen_until > now for process in (one, two)) or not (
            self.open(one, two) and self.open(two, one)
        ):
            for here, there in ends:
                if there.id not in here.peers or here.frozen_until > now:
                    continue
                hung_up = here.id not in there.peers and self.open(there, here)
                if hung_up:
                    self._part(here, there.id)
                elif not self.open(there, here) or there.frozen_until > now:
                    self._listen(here, there.id)
            return
        for here, there in ends:
            self.silent.pop((here.id, there.id), None)
        if not (one.id in two.peers and two.id in one.peers):
            for here, there in ends:
                if there.id in here.peers:
                    self._part(here, there.id)
            for here, there in ends:
                self._world.agenda.after(
                    self.chance(here, there).uniform(0.0, 0.1), self._join(here, there)
                )

    def _tend_hearing(self, here: Process, there: Process) -> None:
        """On a bus: does `here` hear `there`?"""
        now = self._world.agenda.now
        held_up = all(self._held_up(bus, here) for bus in range(self.buses))
        if self.open(there, here) and there.frozen_until <= now and not held_up:
            self.silent.pop((here.id, there.id), None)
            if there.id not in here.peers:
                wait_s = self.chance(here, there).uniform(0.0, 0.1)
                self._world.agenda.after(wait_s, self._join(here, there))
        elif there.id in here.peers:
            self._listen(here, there.id)

    def _join(self, here: Process, there: Process) -> Callable[[], None]:
        def act() -> None:
            answers = self.buses or self.open(here, there)
            if answers and self.open(there, here) and there.id not in here.peers:
                self._world.stir("connected")
                self.last_joined = self._world.agenda.now
                here.meet(there.disk, self.last_joined)
                self.send(here, here.replica.joined(_as_seen_by(here, there.replica.me)))
                self._world.touched(here)

        return act

    def _listen(self, here: Process, there: str) -> None:
        """`here` receives nothing from `there`. After some seconds it gives the connection up."""
        now = self._world.agenda.now
        since = self.silent.setdefault((here.id, there), now)
        if now - since > here.rng.uniform(0.0, 8.0):
            self._part(here, there)

    def forget(self, process: Process) -> None:
        """`process` has ended: it waits for no frames any more."""
        self.silent = {ends: since for ends, since in self.silent.items() if ends[0] != process.id}

    def _part(self, here: Process, there: str) -> None:
        self.silent.pop((here.id, there), None)
        self._world.stir("parted")
        broken = {transfer for transfer in self._parts if transfer[:2] == (here.id, there)}
        self._parts -= broken
        self._world.tally["transfer broken in the middle"] += len(broken)
        here.meet(self._world.by_id[there].disk, self._world.agenda.now)
        here.replica.left(there)
        self._world.touched(here)

    # -- frames ----------------------------------------------------------------------------

    def send(self, sender: Process, sends: list[Send]) -> None:
        """Send what a replica asks to send."""
        for to, frame in sends:
            self._world.checks.sent(sender, frame)
            if len(self.sent) < KEPT:
                self.sent.append((sender.id, to, frame))
            else:  # Replace any of the old ones, so that frames of every age are left.
                self.sent[sender.rng.randrange(KEPT)] = sender.id, to, frame
            for process in [to] if to is not None else self._all(sender):
                if (receiver := self._world.by_id.get(process)) is not None:
                    self._fly(sender, receiver, frame)

    def replay(self, pick: int, receiver: Process) -> bool:
        """Deliver a frame that was sent at any time, perhaps again. Return whether one was.

        `Digest`, `Pulse` and `Have` must come from their sender: from another peer they would be a
        lie, and no transport lies. So would what is said of keys, and to another process, too. All
        other frames are true from any peer.
        """
        if not self.sent or not receiver.peers:
            return False
        sender, to, frame = self.sent[pick % len(self.sent)]
        if isinstance(frame, TellKeys) and to != receiver.id:
            return False
        if isinstance(frame, Rows) and to != receiver.id:
            frame = replace(frame, answers=0)  # It answers another process's request.
        if sender not in receiver.peers:
            if isinstance(frame, Heartbeat | Have | AskKeys | TellKeys):
                return False
            peers = sorted(receiver.peers)
            sender = peers[pick % len(peers)]
            if sender == receiver.id:
                return False
        if isinstance(frame, Pulse | Ask) and receiver.versions.newest < PULSES_SINCE:
            return False
        if receiver.versions != VERSIONS:
            frame = codec.decode(codec.encode(frame, receiver.versions.newest))
        self._world.deliver(receiver, sender, frame)
        return True

    def _all(self, sender: Process) -> list[str]:
        """Whom a frame for all reaches."""
        if self.buses:
            return [other.id for other in self._world.running() if other is not sender]
        return sorted(sender.peers)

    def _fly(self, sender: Process, receiver: Process, frame: Frame) -> None:
        tally = self._world.tally
        if not self.open(sender, receiver):
            tally["frame lost in a cut"] += 1
            return
        # Not before: who is not heard asks the same again and again, for days.
        if not isinstance(frame, Heartbeat | Ask | AskKeys | TellKeys):
            self._world.stir()
        weather, chance = self.weather, self.chance(sender, receiver)
        copies = 1
        if weather.lost and chance.random() < weather.lost:
            tally["frame lost"] += 1
            return
        if weather.doubled and chance.random() < weather.doubled:
            tally["frame doubled"] += 1
            copies = 2
        version = min(sender.versions.newest, receiver.versions.newest)
        if version < VERSIONS.newest:
            if isinstance(frame, Pulse | Ask) and version < PULSES_SINCE:
                raise Broken("version", f"{sender} sends {receiver} what it can't read: {frame}")
            frame = codec.decode(codec.encode(frame, version))
        elif self._codec_every and chance.randrange(self._codec_every) == 0:
            frame = codec.decode(codec.encode(frame))
        if self.buses:
            for bus in range(self.buses):
                self._publish(bus, sender, receiver, frame)
            return
        for _ in range(copies):
            delay_s = chance.uniform(0.2, 1.8) * weather.usual_s
            if weather.late and chance.random() < weather.late:
                tally["frame late"] += 1
                delay_s += chance.uniform(0.0, weather.late_s)
            self._world.agenda.after(delay_s, self._arrive(sender, receiver, frame))

    def _publish(self, bus: int, sender: Process, receiver: Process, frame: Frame) -> None:
        now, chance = self._world.agenda.now, self.chance(sender, receiver)
        ready = max(
            now
            + chance.uniform(0.2, 1.8) * BUS_S[bus]
            + self.late_s.get((bus, receiver.place), 0.0),
            self._lags.get((bus, receiver.place), 0.0),
            self._arrivals.get((bus, receiver.id), 0.0),
        )
        self._arrivals[bus, receiver.id] = ready
        arrive = self._arrive(sender, receiver, frame)

        def act() -> None:
            late = self._world.agenda.now - now > self.stale_s
            if late and isinstance(frame, Heartbeat):
                self._world.tally["too old for its bus"] += 1
            else:
                arrive()

        self._world.agenda.after(ready - now, act)

    def hold_up(self, bus: int, place: str, seconds: float) -> None:
        """A bus hands nothing to `place` for so long, and then all at once."""
        self._lags[bus, place] = self._world.agenda.now + seconds

    def _held_up(self, bus: int, process: Process) -> bool:
        now = self._world.agenda.now
        lag = self._lags.get((bus, process.place), 0.0)
        return max(lag, self._arrivals.get((bus, process.id), 0.0)) > now + self.stale_s

    def held_up_s(self) -> float:
        """For how long a bus will still hold something up."""
        until = max([*self._lags.values(), *self._arrivals.values()], default=0.0)
        return max(0.0, until - self._world.agenda.now)

    def _arrive(self, sender: Process, receiver: Process, frame: Frame) -> Callable[[], None]:
        self._flown += 1
        number, ends = self._flown, (sender.id, receiver.id)

        def act() -> None:
            if not receiver.alive or sender.id not in receiver.peers:
                return
            if (sender.place, receiver.place) in self.cuts:
                self._world.tally["frame lost in a cut"] += 1
                return
            if receiver.frozen_until > self._world.agenda.now:
                receiver.missed.append(act)
                return
            if number < self._landed.get(ends, 0):
                self._world.tally["frame overtaken by a later one"] += 1
            self._landed[ends] = max(number, self._landed.get(ends, 0))
            if isinstance(frame, Rows):
                self._count_parts(receiver, sender.id, frame)
            self._world.deliver(receiver, sender.id, frame)

        return act

    def _count_parts(self, receiver: Process, sender: str, frame: Rows) -> None:
        transfer = (receiver.id, sender, frame.slot)
        if frame.more:
            self._parts.add(transfer)
        elif transfer in self._parts:
            self._parts.remove(transfer)
            self._world.tally["transfer in several parts"] += 1


def _as_seen_by(here: Process, hello: Hello) -> Hello:
    """`hello` as a process reads it that knows only its own versions."""
    newest = min(here.versions.newest, hello.versions.newest)
    return replace(hello, versions=hello.versions._replace(newest=newest))
