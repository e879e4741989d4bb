"""A random cluster with browsers, compared with a plain integer for each video: the truth.

Every step is something that can happen to a real cluster. After each step the invariants of
ARCHITECTURE.md must hold. After healing all nodes must be equal, and have the truth.
"""

import json
from collections import Counter as Tally
from dataclasses import dataclass, field
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ratchet import passive, snapshot
from ratchet.frames import MAX_ROWS, Extent
from simulation.disk import Disk
from small_world import Node, World
from strategies import PROFILE

NAMES: Final = ("a", "b", "c", "d")
VIDEOS: Final = ("tide", "moss", "fern", "reef", "dune")

names: Final = st.sampled_from(NAMES)
videos: Final = st.sampled_from(VIDEOS)
# Picks one of many packets or texts: the number, modulo how many there are.
picks: Final = st.integers(0, 999)


@dataclass
class Browser:
    """What one browser has stored, and the number that it last computed of each video."""

    counters: dict[str, str] = field(default_factory=dict)
    folded: str = ""
    shown: Tally[str] = field(default_factory=Tally)


class Model(RuleBasedStateMachine):
    """Three nodes, perhaps a fourth, and two browsers that hop between them."""

    rows_in_a_frame = MAX_ROWS

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.rows_in_a_frame)
        self.up: dict[str, Node] = {name: self.world.start(name) for name in NAMES[:3]}
        self.down: dict[str, Disk] = {}
        self.backups: dict[str, Disk] = {}
        # The processes of each name that have run on its disk. It must count what they answered.
        self.lineage: dict[str, list[Node]] = {name: [node] for name, node in self.up.items()}
        self.reached: Tally[tuple[str, str]] = Tally()
        self.browsers = (Browser(), Browser())
        # Every snapshot that was ever sent: the video, and the text.
        self.snapshots: list[tuple[str, str]] = []
        # Views that were perhaps only on the disk that was destroyed; None before that.
        self.lost: Tally[str] | None = None

    @initialize(rested=st.booleans())
    def begin(self, rested: bool) -> None:
        if rested:
            self._rest()

    # -- counting and writing --------------------------------------------------------------

    @rule(name=names, video=videos, views=st.integers(1, 3))
    def count(self, name: str, video: str, views: int) -> None:
        if node := self.up.get(name):
            node.replica.count(video, views)

    @rule(name=names, viewed=st.lists(videos, min_size=4, max_size=16))
    def count_and_write_each(self, name: str, viewed: list[str]) -> None:
        if (node := self.up.get(name)) and not node.writing:
            for video in viewed:
                self.world.count(node, video)

    @rule(name=names)
    def write(self, name: str) -> None:
        if node := self.up.get(name):
            self.world.flush(node)

    @rule(name=names)
    def begin_to_write(self, name: str) -> None:
        if (node := self.up.get(name)) and not node.writing:
            self.world.begin_write(node)

    @rule(name=names, fails=st.booleans())
    def end_the_write(self, name: str, fails: bool) -> None:
        if (node := self.up.get(name)) and node.writing:
            if fails:
                self.world.fail_write(node)
            else:
                self.world.reach_disk(node)
                self.world.confirm(node)

    # -- the wire --------------------------------------------------------------------------

    @rule(pick=picks, keep=st.booleans())
    def deliver_any(self, pick: int, keep: bool) -> None:
        if self.world.wire:
            self.world.deliver(pick % len(self.world.wire), keep)

    @rule(how_many=st.integers(1, 20))
    def deliver_the_oldest(self, how_many: int) -> None:
        for _ in range(min(how_many, len(self.world.wire))):
            self.world.deliver()

    @rule(pick=picks, how_many=st.integers(1, 5))
    def lose(self, pick: int, how_many: int) -> None:
        for _ in range(min(how_many, len(self.world.wire))):
            self.world.wire.pop(pick % len(self.world.wire))

    @rule(seconds=st.sampled_from([0.3, 1.0, 2.5]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(one=names, two=names)
    def cut(self, one: str, two: str) -> None:
        if one in self.up and two in self.up:
            self.world.cut(self.up[one], self.up[two])

    @rule()
    def heal(self) -> None:
        self.world.heal()

    @rule()
    def come_to_rest(self) -> None:
        self._rest()

    # -- lives -----------------------------------------------------------------------------

    @rule(name=names, written=st.booleans())
    def crash(self, name: str, written: bool) -> None:
        if node := self.up.pop(name, None):
            if node.writing and written:
                self.world.reach_disk(node)
            self.down[name] = self.world.crash(node)

    @rule(name=names, clock_back=st.booleans())
    def start(self, name: str, clock_back: bool) -> None:
        if name not in self.up:
            self._start(name, clock_ms=1 if clock_back and name in self.down else None)

    @rule(name=names)
    def restart(self, name: str) -> None:
        self.crash(name, written=False)
        self._start(name)

    @rule(name=names)
    def back_up(self, name: str) -> None:
        if name in self.up:
            self.backups[name] = self.up[name].disk.copy()

    @precondition(lambda self: self.lost is None)
    @rule(name=names, empty=st.booleans())
    def destroy_a_disk(self, name: str, empty: bool) -> None:
        """Once in a run. Then a process starts from an old backup, or from an empty disk."""
        if name in NAMES[:3]:
            self.crash(name, written=False)
            kept = Disk() if empty else self.backups.pop(name, Disk())
            self.down[name] = kept
            self.lineage[name] = []
            self.lost = self._on_no_other_disk()
            self._start(name)

    def _start(self, name: str, clock_ms: int | None = None) -> None:
        # Real starts are further apart than generations of one millisecond.
        self.world.pass_time(0.02)
        node = self.world.start(name, self.down.pop(name, None), clock_ms)
        self.up[name] = node
        self.lineage.setdefault(name, []).append(node)

    def _disks(self) -> list[Disk]:
        return [*(node.disk for node in self.up.values()), *self.down.values()]

    def _on_no_other_disk(self) -> Tally[str]:
        lost: Tally[str] = Tally()
        for slot in self.world.history:
            if not any(disk.folded.covers(slot) for disk in self._disks()):
                for video, views in self.world.latest(slot).items():
                    held = max(disk.count(slot, video) for disk in self._disks())
                    lost[video] += views - held
        return lost

    # -- forgetting ------------------------------------------------------------------------

    @rule(name=names, by=names)
    def fold(self, name: str, by: str) -> None:
        """Any node may fold a slot that all nodes know to be closed and have the same rows of."""
        world, nodes = self.world, list(self.up.values())
        node = self.up.get(by)
        if self.down or not node or not any(world.linked(node, other) for other in nodes):
            return
        closed = min(each.replica.table.closed.get(name, -1) for each in nodes)
        for slot in {slot for each in nodes for slot in each.replica.table.columns}:
            if slot.node == name and slot.generation <= closed:
                claims = {
                    each.replica.digest().slots.get(slot, Extent(0, 0))
                    for each in nodes
                    if not each.replica.table.folded.covers(slot)
                }
                if len(claims) > 1 or any(extent.fingerprint is None for extent in claims):
                    return
        if closed >= 0:
            world.learn_folded(node, {name: closed})

    @rule(name=names, by=names, video=videos, browser=st.integers(0, 1))
    def restart_and_fold(self, name: str, by: str, video: str, browser: int) -> None:
        """All that `fold` needs, which chance alone seldom brings together. A browser watches."""
        if name in self.up and not self.down:
            self._rest()
            self.load_a_page(by, video, browser)
            self.restart(name)
            self._rest()
            self.fold(name, by)
            self.load_a_page(by, video, browser)

    # -- browsers --------------------------------------------------------------------------

    @rule(name=names, video=videos, browser=st.integers(0, 1))
    def load_a_page(self, name: str, video: str, browser: int) -> None:
        if node := self.up.get(name):
            text = json.dumps(snapshot.encode(node.replica.table.snapshot(video)))
            self.snapshots.append((video, text))
            self._receive(self.browsers[browser], video, text)

    @rule(pick=picks, browser=st.integers(0, 1))
    def receive_an_old_snapshot_again(self, pick: int, browser: int) -> None:
        if self.snapshots:
            video, text = self.snapshots[pick % len(self.snapshots)]
            self._receive(self.browsers[browser], video, text)

    def _receive(self, browser: Browser, video: str, text: str) -> None:
        stored = browser.counters.get(video, "")
        merged = json.loads(passive.merge(video, stored, browser.folded, text))
        assert merged["discarded"] == []
        assert merged["value"] >= browser.shown[video], "2: the number of a browser fell"
        assert merged["value"] <= self.world.truth[video], "1: a browser shows more than the truth"
        browser.folded = json.dumps(merged["folded"])
        browser.counters[video] = json.dumps({k: merged[k] for k in ("base", "slots")})
        browser.shown[video] = merged["value"]

    # -- what must hold --------------------------------------------------------------------

    @invariant()
    def every_replica_holds_what_it_promises(self) -> None:
        opened = set(self.world.history) | {n.replica.table.own for n in self.world.nodes}
        for name, node in self.up.items():
            self.world.check(node)
            assert opened.issuperset(node.replica.table.columns), "6: a slot that nobody opened"
            for video in VIDEOS:
                value = node.replica.table.value(video)
                key = (node.process, video)
                assert value >= self.reached[key], "2: the value of a replica fell"
                self.reached[key] = value
                owed = sum(process.answered[video] for process in self.lineage[name])
                assert value >= owed, "3: a node forgot views that it had answered"

    @invariant()
    def equal_fingerprints_mean_equal_counts(self) -> None:
        by_fingerprint: dict[str, tuple[int, ...]] = {}
        for node in self.up.values():
            values = tuple(node.replica.table.value(video) for video in VIDEOS)
            fingerprint = node.replica.table.fingerprint()
            assert by_fingerprint.setdefault(fingerprint, values) == values

    def _rest(self) -> None:
        for node in self.up.values():
            if node.writing:
                self.world.reach_disk(node)
                self.world.confirm(node)
        self.world.heal()
        self.world.settle(check=True)
        self.world.assert_equal()
        for node in self.up.values():
            self.world.check_disk(node)

    def teardown(self) -> None:
        for name in [*self.down]:
            self._start(name)
        self._rest()
        self.every_replica_holds_what_it_promises()
        for node in self.up.values():
            for video in VIDEOS:
                truth, value = self.world.truth[video], node.replica.table.value(video)
                if self.lost is None:
                    assert value == truth, "5: a view was lost"
                assert value >= truth - (self.lost or Tally())[video], "5: more was lost"
                self.load_a_page(node.name, video, 0)
                assert self.browsers[0].shown[video] >= value
        for video, text in self.snapshots:
            for browser in self.browsers:
                self._receive(browser, video, text)


class ModelWithSmallFrames(Model):
    """The same with three rows in a frame: a transfer takes many chunks, and may break off."""

    rows_in_a_frame = 3


_examples, _steps = {"short": (5, 40), "quick": (60, 60), "deep": (1500, 200)}[PROFILE]
_settings: Final = settings(max_examples=_examples, stateful_step_count=_steps)
TestModel = Model.TestCase
TestModel.settings = _settings
TestModelWithSmallFrames = ModelWithSmallFrames.TestCase
TestModelWithSmallFrames.settings = _settings
