"""What can't be true by a replica's own clock is refused as a whole, and changes nothing."""

from dataclasses import replace
from typing import Final

import pytest
from ratchet.bounds import Bounds, Implausible
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.days import day_at
from ratchet.frames import (
    Alive,
    AskKeys,
    BaseRows,
    Digest,
    Extent,
    Farewell,
    Frame,
    Have,
    Pulse,
    Rows,
)
from ratchet.generations import Generations
from ratchet.names import MAX_COUNT, MAX_GENERATION
from ratchet.slot import Slot
from ratchet.table import Table
from ratchet.tenure import ALONE_S, DOUBT_S
from small_world import BEGIN_MS, TIDE, Node, World, meet, slot_of

HOUR_MS: Final = 3_600_000
HOUR_US: Final = 1000 * HOUR_MS
NOW_US: Final = 1000 * BEGIN_MS
FAR: Final = NOW_US + 25 * HOUR_US
X: Final = Slot("x", NOW_US)
EMPTY: Final = Digest(None, {}, Generations(), Generations(), Generations(), {}, None, {})
MAX: Final = MAX_COUNT
KEY: Final = "00000000-0000-7000-8000-000000000001"

LIES: Final[dict[str, Frame]] = {
    "a generation of tomorrow": replace(EMPTY, newest=Generations(b=FAR)),
    "the largest generation": replace(EMPTY, newest=Generations(b=MAX_GENERATION)),
    "a closing": replace(EMPTY, newest=Generations(b=FAR), closed=Generations(b=FAR)),
    "a fold": replace(
        EMPTY, newest=Generations(b=FAR), closed=Generations(b=FAR), folded=Generations(b=FAR)
    ),
    "its own slot": replace(EMPTY, slot=Slot("b", FAR)),
    "a slot in a digest": replace(EMPTY, slots={Slot("b", FAR): Extent(1, None)}),
    "a process that is alive": replace(EMPTY, alive={"0" * 16: Alive("b", FAR, "")}),
    "views that were lifted": replace(EMPTY, lifted_views={"b": MAX}),
    "a seq in a digest": replace(EMPTY, slots={X: Extent(MAX, None)}),
    "a slot in a pulse": Pulse(1, Slot("b", FAR), Extent(1, None), 0, "0" * 32),
    "a seq in a pulse": Pulse(1, X, Extent(MAX, None), 0, "0" * 32),
    "views": Rows(X, 0, 1, False, (Row(TIDE, MAX, 1),)),
    "views of the oldest slot": Rows(Slot("x", 0), 0, 1, False, (Row(TIDE, MAX, 1),)),
    "the seq of a row": Rows(X, 0, 1, False, (Row(TIDE, 1, MAX),)),
    "the seq of a frame": Rows(X, 0, MAX, False, (Row(TIDE, 1, 1),)),
    "a frame without rows": Rows(Slot("b", FAR), 0, 0, False, ()),
    "rows on disk": Have(X, MAX),
    "views in the base": BaseRows(Generations(), 0, 1, ((TIDE, MAX),)),
    "views that are handed over": AskKeys(1, 0, False, (KEY,), ((TIDE, MAX),)),
    "a farewell": Farewell(Slot("b", FAR)),
    "a fold below the base": BaseRows(Generations(b=FAR), 0, 0, ()),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_frame_that_cant_be_true_is_refused_and_changes_nothing(lie: str) -> None:
    world, (a, b) = meet("a", "b")
    before = a.replica.digest(), a.replica.observe(), a.replica.table.fingerprint()
    with pytest.raises(Implausible):
        a.replica.receive(LIES[lie], b.process, world.now)
    assert (a.replica.digest(), a.replica.observe(), a.replica.table.fingerprint()) == before
    assert a.replica.changes() is None


def test_the_refusal_says_how_far_the_clocks_are_apart() -> None:
    world, (a, b) = meet("a", "b")
    with pytest.raises(Implausible, match=r"b@\d+ is 24 hours ahead: its clock or ours is wrong"):
        a.replica.receive(LIES["a generation of tomorrow"], b.process, world.now)
    with pytest.raises(Implausible, match=r"x@\d+ can't have 9007199254740991 views of tide yet"):
        a.replica.receive(LIES["views"], b.process, world.now)


def test_a_node_whose_name_was_named_with_the_largest_generation_goes_on() -> None:
    """Otherwise it would count in a slot that no frame may name, and never reach anybody again."""
    world, (a, b, c) = meet("a", "b", "c")
    slot = slot_of(b)
    for liar in (a, c):
        with pytest.raises(Implausible):
            b.replica.receive(LIES["the largest generation"], liar.process, world.now)
    world.count(b, TIDE)
    world.finish()
    assert slot_of(b) == slot
    assert a.replica.table.value(TIDE) == c.replica.table.value(TIDE) == 1


def disbelieve(world: World, node: Node) -> None:
    """The node receives a frame that can't be true."""
    with pytest.raises(Implausible):
        node.replica.receive(LIES["a generation of tomorrow"], "f" * 16, world.now)


class TestClocks:
    @pytest.mark.parametrize("hours", [-23, 14, 23])
    def test_that_are_less_than_a_day_apart_do_no_harm(self, hours: int) -> None:
        world = World()
        nodes = [world.start("a"), world.start("b", clock_ms=BEGIN_MS + hours * HOUR_MS)]
        world.settle()
        for node in nodes:
            world.count(node, TIDE, 5)
        world.finish()

    def test_that_are_far_ahead_cut_their_node_off_until_the_time_has_come(self) -> None:
        world = World()
        a = world.start("a")
        late = world.start("b", clock_ms=BEGIN_MS + 25 * HOUR_MS, alone=True)
        world.settle()
        world.count(late, TIDE, 5)
        digest = late.replica.digest()
        with pytest.raises(Implausible, match="its clock or ours is wrong"):
            a.replica.receive(digest, late.process, world.now)
        world.pass_time(2 * HOUR_MS / 1000)
        world.finish()
        assert a.replica.table.value(TIDE) == 5

    def test_that_begin_in_1970_judge_nobody(self) -> None:
        """A machine without a battery starts there. It must learn what others know of its name."""
        world, (a, b) = meet("a", "b")
        old = slot_of(a)
        world.crash(a)
        a = world.start("a", clock_ms=1)
        world.count(a, TIDE)
        world.finish()
        assert slot_of(a).generation > old.generation
        assert b.replica.table.value(TIDE) == 1

    def test_that_are_set_later_count_from_then_on(self) -> None:
        wall_ms = BEGIN_MS
        bounds = Bounds(lambda: wall_ms)
        with pytest.raises(Implausible):
            bounds.check(LIES["a generation of tomorrow"])
        wall_ms += 2 * HOUR_MS
        bounds.check(LIES["a generation of tomorrow"])


class TestOnAnEmptyDisk:
    """If a peer can't be believed, our own clock may be the wrong one. Then a slot that we open may
    be below one of our name that was folded long ago: its views would be lost."""

    def test_a_process_opens_no_slot_while_only_peers_talk_that_cant_be_true(self) -> None:
        world = World()
        a = world.start("a")
        world.pass_time(ALONE_S / 2)
        disbelieve(world, a)
        world.pass_time(ALONE_S)
        assert a.replica.tenure.in_doubt(world.now)
        assert not a.replica.counting
        # Nobody has repeated it.
        world.pass_time(DOUBT_S)
        assert a.replica.counting

    def test_a_process_opens_its_slot_once_a_peer_can_be_believed(self) -> None:
        world = World()
        b = world.start("b", alone=True)
        world.pass_time(ALONE_S)
        a = world.start("a")
        disbelieve(world, a)
        world.heal()
        world.settle_wire()
        assert a.replica.counting
        assert b.replica.counting

    def test_a_process_that_knows_a_slot_of_its_name_goes_on_alone(self) -> None:
        world, (a, _) = meet("a", "b")
        a = world.start("a", world.crash(a), alone=True)
        disbelieve(world, a)
        world.pass_time(ALONE_S)
        assert a.replica.counting


def test_what_was_stored_and_cant_be_true_is_named() -> None:
    table = Table()
    far = Slot("b", FAR)
    newest = {"b": FAR, "x": X.generation}
    table.restore(Changes(newest=newest, folded={"y": 1}, lifted_views={"y": MAX}))
    rows = (Row(TIDE, MAX, 1), Row("moss", 7, 2))
    table.restore(Changes(columns=(ColumnChange(far, 1, ()), ColumnChange(X, 2, rows))))
    table.restore(Changes(base=((TIDE, MAX), ("moss", 7))))
    far_day = day_at(BEGIN_MS * 1000) + 2
    table.restore(Changes(days=((far_day, TIDE, 3), (far_day - 1, TIDE, 4))))
    faults = {(fault.place, fault.video) for fault in Bounds(lambda: BEGIN_MS).faults(table)}
    assert (None, None) in faults
    faults.remove((None, None))
    assert faults == {("b", None), ("y", None), (far, None), (X, TIDE), (None, TIDE)}
    assert not [*Bounds(lambda: 1).faults(table)]


def test_a_first_day_that_was_stored_and_cant_be_true_is_named() -> None:
    table, bounds = Table(), Bounds(lambda: BEGIN_MS)
    # That of a node that keeps no days, and whose clock is a day ahead.
    table.restore(Changes(first_day=day_at(BEGIN_MS * 1000) + 2))
    assert not [*bounds.faults(table)]
    table.restore(Changes(first_day=day_at(BEGIN_MS * 1000) + 3))
    assert [fault.place for fault in bounds.faults(table)] == [None]


def test_all_believe_a_node_whose_videos_have_more_views_together_than_can_be() -> None:
    """One call may count as many of each of 10,000 videos as one process can have counted."""
    table = Table()
    table.join({"b": 1}, {"b": 1}, {"b": 1})
    for _ in range(3):
        table.add_lifted_views("b", MAX)
    # No clock that judges is earlier than this one.
    clock = Bounds(lambda: 1_735_689_600_000)
    clock.check(replace(EMPTY, lifted_views=table.lifted_views))
    assert not [*clock.faults(table)]
