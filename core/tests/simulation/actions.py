"""Actions: what each step does to a world. Each word of `steps` has its method here."""

from collections.abc import Callable
from functools import partial
from random import Random

from ratchet.snapshot import Snapshot

from simulation.browsers import Browser
from simulation.disk import Disk
from simulation.network import KEPT, WEATHERS
from simulation.process import Stage
from simulation.steps import Step
from simulation.world import World


class Actions:
    """Carries out steps on one world. A step that doesn't fit does nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._backups: dict[str, Disk] = {}
        # The names that an operator has retired.
        self._retired: set[str] = set()
        # Every snapshot that a step has sent to a browser, to send it again.
        self._snapshots: list[Snapshot] = []
        # Copies of browsers, to open them again in place of others.
        self._profiles: list[Browser] = []

    def do(self, step: Step) -> None:
        """Carry out `step`."""
        act: Callable[..., None] = getattr(self, f"_{step.op.replace('-', '_')}_step")
        act(*step.words)

    # -- views and time --------------------------------------------------------------------

    def _view_step(self, place: str, video: str, views: int, ack: str = "disk") -> None:
        world = self._world
        if process := world.up.get(place):
            taken = process.view(video, views, ack == "peers")
            world.tally["views" if taken else "view refused"] += 1
            world.stir()
            if process.frozen_until <= world.agenda.now:
                world.touched(process)

    def _burst_step(self, place: str, count: int, over_s: float) -> None:
        world = self._world
        chance = Random(f"{place} {count} {world.started[place]}")
        for _ in range(count):
            view = partial(self._view_step, place, chance.choice(world.videos), 1)
            world.agenda.after(chance.uniform(0, over_s), view)

    def _keyed_step(self, places: str, video: str, luck: int) -> None:
        self._world.keys.send(places, video, luck)

    def _pass_step(self, seconds: float) -> None:
        self._world.run_for(seconds)

    def _hours_step(self, hours: float) -> None:
        self._world.run_long(hours * 3600)

    def _until_lifting_step(self, hours: float) -> None:
        self._world.run_long(hours * 3600, self._is_lifting)

    def _is_lifting(self) -> bool:
        return any(process.replica.table.lifting for process in self._world.running())

    def _rest_step(self) -> None:
        self._world.rest(everybody=True)

    # -- the wire --------------------------------------------------------------------------

    def _weather_step(self, kind: str) -> None:
        self._world.network.weather = WEATHERS[kind]
        self._world.tally[f"weather: {kind}"] += 1

    def _cut_step(self, sender: str, receiver: str) -> None:
        self._world.network.cuts.add((sender, receiver))
        self._world.tally["partition: one-way"] += 1

    def _split_step(self, sides: str) -> None:
        self._divide(sides.split("|"))
        self._world.tally["partition: whole"] += 1

    def _isolate_step(self, place: str) -> None:
        world = self._world
        world.network.cuts |= {
            ends for other in self._others(place) for ends in ((place, other), (other, place))
        }
        world.tally["partition: one node cut off"] += 1

    def _bridge_step(self, sides: str, bridge: str) -> None:
        self._divide(sides.split("|"), bridge)
        self._world.tally["partition: bridge"] += 1

    def _ring_step(self) -> None:
        places = sorted(self._world.up)
        for index, one in enumerate(places):
            for other in range(index + 2, len(places)):
                if (index, other) != (0, len(places) - 1):
                    self._world.network.cuts |= {(one, places[other]), (places[other], one)}
        self._world.tally["partition: ring"] += 1

    def _lag_step(self, place: str, bus: int, seconds: float) -> None:
        """A bus holds up what is for one process, and then hands it over at once."""
        network = self._world.network
        if bus < network.buses:
            network.hold_up(bus, place, seconds)
            self._world.tally["bus held up"] += 1

    def _delay_step(self, place: str, bus: int, seconds: float) -> None:
        """From now on a bus is so late with what is for one process."""
        network = self._world.network
        if bus < network.buses:
            network.late_s[bus, place] = seconds
            self._world.tally["bus always late"] += 1

    def _deafen_step(self, place: str) -> None:
        """It hears nobody, and others hear it."""
        self._world.network.cuts |= {(other, place) for other in self._others(place)}
        self._world.tally["half-deaf: hears nothing"] += 1

    def _mute_step(self, place: str) -> None:
        """Nobody hears it, and it hears others."""
        self._world.network.cuts |= {(place, other) for other in self._others(place)}
        self._world.tally["half-deaf: is not heard"] += 1

    def _others(self, place: str) -> set[str]:
        letters = {known[0] for known in (*self._world.up, *self._world.down)}
        return {letter + copy for letter in letters for copy in ("", "+")} - {place}

    def _divide(self, sides: list[str], bridge: str = "") -> None:
        """No frame passes from one side to another, except to and from the `bridge`. A side is its
        places, one letter each; a copy is on the side of its original."""
        ends = [
            (one, two)
            for here in sides
            for there in sides
            if here != there
            for one in _places(here)
            for two in _places(there)
        ]
        self._world.network.cuts |= {pair for pair in ends if not bridge or bridge not in pair}

    def _heal_step(self) -> None:
        self._world.heal()

    def _replays_step(self, place: str, count: int, over_s: float) -> None:
        chance = Random(f"{place} {count} {over_s} {self._world.setup.seed}")
        for _ in range(count):
            again = partial(self._replay_step, place, chance.randrange(KEPT))
            self._world.agenda.after(chance.uniform(0, over_s), again)

    def _replay_step(self, place: str, pick: int) -> None:
        world = self._world
        process = world.up.get(place)
        if process and process.frozen_until <= world.agenda.now:
            world.tally["old frame again"] += world.network.replay(pick, process)

    # -- processes -------------------------------------------------------------------------

    def _crash_step(self, place: str) -> None:
        world = self._world
        if process := world.up.get(place):
            world.tally["crash"] += 1
            world.down[place] = (world.agenda.now, world.kill(process))

    def _crash_lifting_step(self) -> None:
        """The first process that is lifting a slot is killed, and starts again."""
        for process in [*self._world.running()]:
            if process.replica.table.lifting:
                self._crash_step(process.place)
                self._start_step(process.place)
                return

    def _start_step(self, place: str, clock_h: float = 0.0) -> None:
        world = self._world
        if place not in world.down or place in world.up:
            return
        disk = world.down.pop(place)[1]
        kind = "disk" if disk.newest else "empty disk"
        clock = "" if not clock_h else ", clock back" if clock_h < 0 else ", clock ahead"
        world.tally[f"start from {kind}{clock}"] += 1
        if place.rstrip("+") in self._retired:
            gone = disk.own is not None and world.truth.folded.covers(disk.own)
            world.tally["return after the fold" if gone else "return within the grace"] += 1
        world.start(place, disk, clock_h)

    def _join_step(self, place: str, clock_h: float = 0.0) -> None:
        if self._is_vacant(place):
            self._world.tally["join"] += 1
            self._world.start(place, Disk(), clock_h)

    def _twin_step(self, place: str, clock_h: float = 0.0) -> None:
        """A copy of its data folder is started beside it."""
        copy = f"{place}+"
        if (process := self._world.up.get(place)) and self._is_vacant(copy):
            self._world.tally["copied data folder beside the living"] += 1
            self._world.keys.double(place, disk := process.disk.copy())
            self._world.start(copy, disk, clock_h)

    def _old_twin_step(self, place: str) -> None:
        """A backup of its data folder is started beside it."""
        copy = f"{place}+"
        if place in self._world.up and place in self._backups and self._is_vacant(copy):
            self._world.tally["old backup beside the living"] += 1
            self._world.keys.double(place, disk := self._backups[place].copy())
            self._world.start(copy, disk)

    def _is_vacant(self, place: str) -> bool:
        return place not in self._world.up and place not in self._world.down

    def _drain_step(self, place: str) -> None:
        self._stop(place, "draining")

    def _leave_step(self, place: str) -> None:
        self._stop(place, "leaving")

    def _stop(self, place: str, stage: Stage) -> None:
        process = self._world.up.get(place)
        if process and process.stage == "serving":
            self._world.tally[stage] += 1
            if process.replica.table.own is None:
                self._world.tally[f"{stage} during the start"] += 1
            process.stage = stage

    def _retire_step(self, via: str, name: str) -> None:
        if self._world.retire(via, name):
            self._retired.add(name)

    def _freeze_step(self, place: str, seconds: float) -> None:
        if process := self._world.up.get(place):
            self._world.tally["process paused"] += 1
            process.frozen_until = self._world.agenda.now + seconds

    # -- disks -----------------------------------------------------------------------------

    def _backup_step(self, place: str) -> None:
        if process := self._world.up.get(place):
            self._world.tally["backup"] += 1
            self._backups[place] = process.disk.copy()

    def _restore_step(self, place: str) -> None:
        """Its disk is lost, and an old backup takes its place."""
        world = self._world
        self._crash_step(place)
        if place in world.down and place in self._backups:
            _, disk = world.down[place]
            world.down[place] = (world.agenda.now, self._backups[place].copy())
            world.tally["old backup put in place"] += 1
            world.destroy(disk, f"the disk of {place} is replaced by an old backup")

    def _wipe_step(self, place: str) -> None:
        """Its disk is lost. The next start there is from an empty disk."""
        world = self._world
        self._crash_step(place)
        if place in world.down:
            _, disk = world.down[place]
            world.down[place] = (world.agenda.now, Disk())
            world.destroy(disk, f"the disk of {place} is destroyed")

    def _scrap_step(self, place: str) -> None:
        """Its machine is lost, and won't come back."""
        world = self._world
        self._crash_step(place)
        if place in world.down:
            _, disk = world.down.pop(place)
            world.tally["machine lost for ever"] += 1
            world.destroy(disk, f"the machine of {place} is lost")

    def _fail_step(self, place: str, times: int) -> None:
        if process := self._world.up.get(place):
            process.failures = times

    def _slow_step(self, place: str, seconds: float) -> None:
        if process := self._world.up.get(place):
            self._world.tally["slow disk"] += 1
            process.slow_s = seconds

    # -- browsers --------------------------------------------------------------------------

    def _look_step(self, number: int, tab: int, place: str, video: str) -> None:
        if process := self._world.up.get(place):
            self._world.tally["snapshot to a browser"] += 1
            snapshot = process.replica.table.snapshot(video)
            self._snapshots.append(snapshot)
            self._world.browsers[number].receive(tab, snapshot)

    def _again_step(self, number: int, tab: int, pick: int) -> None:
        if self._snapshots:
            self._world.tally["old snapshot again"] += 1
            snapshot = self._snapshots[pick % len(self._snapshots)]
            browser = self._world.browsers[number]
            if any(one.memory.folded.floor > snapshot.folded.floor for one in browser.tabs):
                self._world.tally["snapshot from before a floor"] += 1
            browser.receive(tab, snapshot)

    def _reload_step(self, number: int, tab: int) -> None:
        self._world.tally["tab reloaded"] += 1
        self._world.browsers[number].reload(tab)

    def _tab_step(self, number: int) -> None:
        if len(self._world.browsers[number].tabs) < 3:
            self._world.tally["second tab"] += 1
            self._world.browsers[number].open_tab()

    def _age_step(self, number: int) -> None:
        self._profiles.append(self._world.browsers[number].age())

    def _revive_step(self, number: int, pick: int) -> None:
        """An old profile is opened again, in place of another browser."""
        if self._profiles:
            self._world.tally["browser comes back with an old state"] += 1
            browser = self._profiles[pick % len(self._profiles)].age()
            self._world.browsers[number] = browser
            browser.reload(0)


def _places(side: str) -> list[str]:
    """The places of one side of a split: `ab` is a, b and their copies."""
    return [letter + copy for letter in side if letter != "+" for copy in ("", "+")]
