"""Core to core: views by day. A slot has views of one day, and a fold keeps the day."""

from dataclasses import replace

import pytest
from ratchet import codec
from ratchet.bounds import Implausible
from ratchet.days import Days, day_at, day_of
from ratchet.frames import (
    DAYS_SINCE,
    NO_DAYS,
    BaseRows,
    DaysExtent,
    Digest,
    Extent,
    Hello,
    Pulse,
    WantBase,
)
from ratchet.generations import Generations
from ratchet.pulses import hash_of, rest
from ratchet.replica import Replica
from ratchet.slot import Slot
from ratchet.tenure import ALONE_S
from small_world import BEGIN_MS, TIDE, Node, World, notices, slot_of

GRACE_S = 60.0
DAY_S = 86_400
FIRST = day_at(BEGIN_MS * 1000)


def cluster(*names: str, kept_days: int = 30, chunk: int = 1000) -> tuple[World, list[Node]]:
    world = World(grace_s=GRACE_S, kept_days=kept_days, chunk=chunk)
    return world, world.meet(*names)


def until_midnight(world: World) -> None:
    """Let time pass until the next midnight, and a second more."""
    world.pass_time(DAY_S - (BEGIN_MS / 1000 + world.now) % DAY_S + 1)
    world.settle()


def until_folded(world: World) -> None:
    world.pass_time(GRACE_S)
    world.settle()
    assert all(not node.replica.table.lifting for node in world.alive())


def by_day(node: Node, video: str = TIDE) -> dict[int, int]:
    """The views on each day, counted from the day on which the world began."""
    return {day - FIRST: n for day, n in node.replica.table.by_day(video).items()}


class TestMidnight:
    def test_opens_a_new_slot_and_closes_the_one_of_yesterday(self) -> None:
        world, (a, b) = cluster("a", "b")
        world.count(a, TIDE, 5)
        old = slot_of(a)
        until_midnight(world)
        assert day_of(slot_of(a)) == FIRST + 1
        for node in (a, b):
            assert node.replica.table.is_closed(old)
        world.count(a, TIDE, 2)
        world.settle()
        for node in (a, b):
            assert by_day(node) == {0: 5, 1: 2}
        # It is no accident, and nobody needs to know of it.
        assert not {"reopened", "superseded", "missing"} & {*notices(a), *notices(b)}
        world.finish()

    def test_opens_one_slot_and_no_more_until_the_next(self) -> None:
        world, (a,) = cluster("a")
        until_midnight(world)
        slot = slot_of(a)
        world.pass_time(DAY_S - 20)
        assert slot_of(a) == slot
        world.pass_time(20)
        assert day_of(slot_of(a)) == FIRST + 2

    def test_leaves_views_that_are_being_written_in_the_slot_in_which_they_are(self) -> None:
        world, (a, b) = cluster("a", "b")
        old = slot_of(a)
        a.replica.count(TIDE, 3)
        assert world.begin_write(a)
        # These wait for the next transaction, which is one of tomorrow.
        a.replica.count(TIDE, 4)
        until_midnight(world)
        assert slot_of(a) != old
        world.reach_disk(a)
        world.confirm(a)
        world.flush(a)
        world.settle()
        for node in (a, b):
            assert by_day(node) == {0: 3, 1: 4}
        until_folded(world)
        for node in (a, b):
            assert by_day(node) == {0: 3, 1: 4}
        world.finish()

    def test_the_others_hear_of_the_new_slot_before_they_get_rows_of_it(self) -> None:
        world, (a, b) = cluster("a", "b")
        until_midnight(world)
        world.pass_time(DAY_S - 1 - (BEGIN_MS / 1000 + world.now) % DAY_S)
        world.settle_wire()
        world.pass_time(1)
        world.count(a, TIDE)
        first = next(packet.frame for packet in world.wire if packet.receiver is b)
        assert isinstance(first, Digest)
        assert first.slot == slot_of(a)

    def test_is_not_late_because_the_start_took_long(self) -> None:
        """A process with millions of rows reads them for minutes before it first looks around."""
        day_ms = DAY_S * 1000
        midnight_ms = BEGIN_MS - BEGIN_MS % day_ms + day_ms
        me = Hello("a", f"{1:016x}", "")
        replica = Replica(me, lambda: midnight_ms - 600_000, lambda below: below - 1, now=100.0)
        for now in (500.0, 503.0, 699.0, 701.0):
            replica.tick(now)
            assert replica.table.own is None or day_of(replica.table.own) == FIRST + (now > 700)
        assert replica.table.own

    def test_means_nothing_where_no_days_are_kept(self) -> None:
        world, (a,) = cluster("a", kept_days=0)
        slot = slot_of(a)
        world.count(a, TIDE)
        until_midnight(world)
        assert slot_of(a) == slot
        assert by_day(a) == {}
        today = day_of(slot)
        assert today is not None
        assert a.replica.table.on_day(today, [TIDE]) == [0]
        assert a.replica.table.viewed_on(today) == set()

    def test_is_not_moved_by_a_clock_that_somebody_sets_meanwhile(self) -> None:
        # A slot of next year would be one that no other node believes.
        wall_ms = BEGIN_MS
        world, (a,) = cluster("a")
        a.replica.bounds._wall_ms = lambda: wall_ms + 365 * DAY_S * 1000
        slot = slot_of(a)
        world.pass_time(60)
        assert slot_of(a) == slot


class TestAFold:
    def test_keeps_the_day(self) -> None:
        world, (a, b) = cluster("a", "b")
        world.count(a, TIDE, 5)
        world.count(b, TIDE, 7)
        world.count(b, "moss")
        until_midnight(world)
        world.count(b, TIDE, 2)
        until_folded(world)
        for node in (a, b):
            assert by_day(node) == {0: 12, 1: 2}
            assert by_day(node, "moss") == {0: 1}
            assert {day_of(slot) for slot in node.replica.table.columns} == {FIRST + 1}
            assert node.disk.days == {(FIRST, TIDE): 12, (FIRST, "moss"): 1}
        world.finish()

    def test_in_parts_keeps_the_day_in_each_part_and_over_a_crash(self) -> None:
        world = World(grace_s=GRACE_S, max_lifted=1)
        (a,) = world.meet("a")
        for number in range(4):
            world.count(a, f"v{number}", number + 1)
        until_midnight(world)
        world.pass_time(GRACE_S)
        world.begin_write(a)
        world.reach_disk(a)
        a = world.start("a", world.crash(a))
        world.settle()
        assert [by_day(a, f"v{number}") for number in range(4)] == [{0: n} for n in (1, 2, 3, 4)]
        world.finish()

    def test_of_an_import_has_no_day(self) -> None:
        assert day_of(Slot("import-old-site", BEGIN_MS * 1000)) is None
        assert day_of(Slot("a", BEGIN_MS * 1000)) == FIRST


class TestANodeThatComesLate:
    @pytest.mark.parametrize("chunk", [2, 1000])
    @pytest.mark.parametrize("max_whole", [0, 2000])
    def test_gets_the_days_with_the_base(self, chunk: int, max_whole: int) -> None:
        world = World(grace_s=GRACE_S, chunk=chunk, max_whole=max_whole)
        a, b = world.meet("a", "b")
        for day in range(4):
            for number in range(5):
                world.count(a, f"v{number}", 10 * day + number + 1)
            until_midnight(world)
        until_folded(world)
        c = world.start("c")
        world.settle()
        for number in range(5):
            days = {day: 10 * day + number + 1 for day in range(4)}
            assert [by_day(node, f"v{number}") for node in (a, b, c)] == [days] * 3
        # They are on its disk, too.
        c = world.start("c", world.crash(c))
        world.settle()
        assert by_day(c, "v4") == {0: 5, 1: 15, 2: 25, 3: 35}
        world.finish()

    def test_gets_only_the_days_if_it_has_the_base(self) -> None:
        world, (a, b) = cluster("a", "b")
        world.count(a, TIDE, 5)
        until_midnight(world)
        until_folded(world)
        disk = world.crash(b)
        disk.days.clear()
        b = world.start("b", disk)
        assert by_day(b) == {}
        asked = []
        for _ in range(5):
            world.pass_time(1.0)
            while world.wire:
                asked += [it.frame for it in world.wire if isinstance(it.frame, WantBase)]
                world.deliver()
        # From the first day that is kept to the one that has views. The base is not asked for.
        assert {(want.start, want.day) for want in asked} == {(0, FIRST + 2 - 30), (0, FIRST)}
        world.settle()
        assert by_day(b) == {0: 5}

    def test_has_not_caught_up_before_it_has_the_days(self) -> None:
        world, (a, b) = cluster("a", "b")
        world.count(a, TIDE, 5)
        until_midnight(world)
        until_folded(world)
        c = world.start("c")
        while not c.replica.talk.caught_up():
            if not world.wire:
                world.pass_time(1.0)
            world.deliver()
        assert by_day(c) == {0: 5}
        assert by_day(b) == {0: 5}


class TestOldDays:
    def test_are_forgotten_everywhere(self) -> None:
        world, (a, b) = cluster("a", "b", kept_days=2)
        for day in range(4):
            world.count(a, TIDE, day + 1)
            until_midnight(world)
        until_folded(world)
        for node in (a, b):
            assert by_day(node) == {3: 4}
            assert node.replica.table.value(TIDE) == 10
            assert {day - FIRST for day, _ in node.disk.days} == {3}
        world.count(a, TIDE)
        assert by_day(a) == {3: 4, 4: 1}
        world.finish()

    def test_do_not_come_back(self) -> None:
        world, (a, b) = cluster("a", "b", kept_days=2)
        world.count(a, TIDE, 5)
        until_midnight(world)
        until_folded(world)
        backup = b.disk.copy()
        for _ in range(3):
            until_midnight(world)
        world.crash(b)
        b = world.start("b", backup)
        world.settle()
        assert by_day(a) == by_day(b) == {}
        world.finish()

    def test_of_a_slot_that_is_folded_late_are_in_the_base_alone(self) -> None:
        world, (a, b) = cluster("a", "b", kept_days=2)
        world.count(a, TIDE, 5)
        world.cut_off(b)
        for _ in range(3):
            until_midnight(world)
        # While b is away, nothing of a can be folded.
        assert by_day(a) == {}
        world.heal()
        world.settle()
        until_folded(world)
        for node in (a, b):
            assert node.replica.table.base.views(TIDE) == 5
            assert node.disk.days == {}
        world.finish()

    def test_are_forgotten_by_the_pulse_of_a_process_without_a_slot(self) -> None:
        world, (a, b) = cluster("a", "b")
        first = a.replica.table.days.first + 1
        pulse = Pulse(2**50, None, Extent(0, None), 0, "0" * 32, DaysExtent(first, None))
        a.replica.receive(pulse, b.process, world.now)
        assert a.replica.table.days.first == first

    def test_are_kept_when_a_node_starts_with_its_clock_weeks_ahead(self) -> None:
        """The others believe none of its slots. But its first day would not be in the future."""
        world, (a, b) = cluster("a", "b")
        world.count(a, TIDE, 5)
        until_midnight(world)
        until_folded(world)
        first = a.replica.table.days.first
        disk = world.crash(b)
        b = world.start("b", disk, clock_ms=BEGIN_MS + 20 * DAY_S * 1000, alone=True)
        a.replica.joined(b.replica.me)
        # It has no slot yet, and tells nothing that can't be true.
        a.replica.receive(b.replica.digest(), b.process, world.now)
        world.pass_time(ALONE_S)
        with pytest.raises(Implausible):
            a.replica.receive(b.replica.digest(), b.process, world.now)
        assert a.replica.table.days.first == first
        assert by_day(a) == {0: 5}

    def test_are_those_that_one_node_forgets_first(self) -> None:
        world, (a, b) = cluster("a", "b")
        world.count(a, TIDE, 5)
        until_midnight(world)
        until_folded(world)
        days = a.replica.table.days.first + 100
        digest = replace(b.replica.digest(), days=DaysExtent(days, None), number=0)
        with pytest.raises(Implausible, match="not yet"):
            a.replica.receive(digest, b.process, world.now)
        assert by_day(a) == {0: 5}


class TestAPeerOfAnEarlierVersion:
    def test_reads_frames_without_days(self) -> None:
        _, (a,) = cluster("a")
        text = codec.encode(a.replica.digest(), DAYS_SINCE - 1)
        assert '"days"' not in text
        read = codec.decode(text)
        assert isinstance(read, Digest)
        assert read.days == NO_DAYS
        base = BaseRows(Generations(), 0, 0, (), None, FIRST)
        assert '"next"' not in codec.encode(base, DAYS_SINCE - 1)
        assert '"day"' not in codec.encode(WantBase(0), DAYS_SINCE - 1)

    def test_on_a_bus_lets_the_others_catch_up_though_they_tell_no_days(self) -> None:
        """What goes to all has the form of the earliest version there."""
        world, (a, b) = cluster("a", "b")
        world.count(a, TIDE, 5)
        until_midnight(world)
        until_folded(world)
        assert a.replica.talk.caught_up()
        digest = codec.decode(codec.encode(replace(b.replica.digest(), number=0), DAYS_SINCE - 1))
        a.replica.receive(digest, b.process, world.now)
        assert a.replica.talk.caught_up()

    def test_understands_the_rest_of_a_pulse(self) -> None:
        """The days are no part of it, so that its hash is the same for both versions."""
        _, (a,) = cluster("a")
        digest = a.replica.digest()
        assert digest.days != NO_DAYS
        without = replace(digest, days=NO_DAYS)
        assert hash_of(rest(digest, a.replica.me)) == hash_of(rest(without, a.replica.me))


class TestDays:
    def test_have_a_fingerprint_that_only_equal_days_share(self) -> None:
        one, other = Days(), Days()
        assert one.fingerprint == other.fingerprint
        one.add(3, TIDE, 5)
        other.add(4, TIDE, 5)
        assert one.fingerprint != other.fingerprint
        one.add(4, TIDE, 5)
        other.add(3, TIDE, 5)
        assert one.fingerprint == other.fingerprint

    def test_take_no_views_of_forgotten_days(self) -> None:
        days = Days()
        days.forget_before(4)
        days.add(3, TIDE, 5)
        assert days.merge(3, [(TIDE, 5)]) == []
        assert [*days] == []
        assert not days.forget_before(3)
        assert days.first == 4

    def test_without_views_are_none(self) -> None:
        days = Days()
        empty = days.fingerprint
        days.add(3, TIDE, 0)
        days.merge(3, [(TIDE, 0)])
        assert (days.fingerprint, days.days()) == (empty, [])
