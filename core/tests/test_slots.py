"""Core to core: which slot a process counts in, after restarts, copies and clocks set back."""

from dataclasses import replace

import pytest
from ratchet import codec
from ratchet.cluster import HEARTBEAT_S
from ratchet.column import Row
from ratchet.frames import Extent, Rows
from ratchet.generations import Generations
from ratchet.slot import new_generation
from ratchet.tenure import ALONE_S
from small_world import TIDE, Packet, meet, slot_of


class TestSlots:
    def test_a_restart_opens_a_new_slot_and_moves_no_count(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 5)
        world.settle()
        old = slot_of(a)
        world.pass_time(10)
        a = world.start("a", world.crash(a))
        world.settle()
        assert slot_of(a).generation > old.generation
        assert b.replica.table.counter(TIDE).slots == {old: 5}
        world.count(a, TIDE)
        world.finish()
        assert b.replica.table.counter(TIDE).slots == {old: 5, slot_of(a): 1}
        assert b.replica.table.closed["a"] == slot_of(a).generation - 1

    @pytest.mark.parametrize("clock_ms", [0, 1, 1_000_000_000_000])
    def test_a_restart_with_the_clock_set_back_opens_a_new_slot(self, clock_ms: int) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 5)
        old = slot_of(a)
        a = world.start("a", world.crash(a), clock_ms, alone=True)
        world.pass_time(ALONE_S)
        world.count(a, TIDE)
        assert slot_of(a).generation > old.generation
        world.finish()
        assert b.replica.table.value(TIDE) == 6

    def test_a_restart_without_its_disk_and_with_the_clock_set_back_opens_a_new_slot(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 5)
        world.settle()
        old = slot_of(a)
        world.crash(a)
        a = world.start("a", clock_ms=1)
        world.count(a, TIDE)
        world.finish()
        assert slot_of(a).generation > old.generation
        assert a.replica.table.value(TIDE) == b.replica.table.value(TIDE) == 6

    def test_a_restart_from_an_old_backup_gets_back_all_rows_that_others_have(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 2)
        backup = a.disk.copy()
        world.count(a, TIDE, 3)
        world.settle()
        world.crash(a)
        a = world.start("a", backup)
        assert a.replica.table.value(TIDE) == 2
        world.count(a, TIDE)
        world.finish()
        assert a.replica.table.value(TIDE) == b.replica.table.value(TIDE) == 6

    def test_two_starts_from_one_disk_with_the_clock_set_back_open_different_slots(self) -> None:
        world, (a,) = meet("a")
        world.count(a, TIDE)
        disk = world.crash(a)
        one = world.start("a", disk.copy(), 1, alone=True)
        two = world.start("a", disk.copy(), 1, alone=True)
        world.pass_time(ALONE_S)
        assert slot_of(one) != slot_of(two)

    def test_two_starts_in_one_millisecond_open_different_slots(self) -> None:
        assert new_generation(7, lambda _: 1, 0) != new_generation(7, lambda _: 2, 0)
        assert new_generation(7, lambda below: below - 1, 0) < new_generation(8, lambda _: 0, 0)

    def test_a_start_closes_every_slot_of_its_name_before_it(self) -> None:
        _, (a,) = meet("a")
        assert a.replica.table.closed == {"a": slot_of(a).generation - 1}
        assert a.replica.tenure.superseded is None

    def test_a_process_learns_that_a_newer_one_of_its_name_has_started(self) -> None:
        world, (a, _b) = meet("a", "b")
        world.count(a, TIDE)
        world.pass_time(1)
        newer = world.start("a")
        world.settle()
        assert newer.replica.tenure.superseded is None
        assert str(slot_of(newer)) in (a.replica.tenure.superseded or "")
        world.finish()

    def test_a_process_whose_slot_was_closed_does_not_count(self) -> None:
        world, (a, b) = meet("a", "b")
        closed = Generations(a=slot_of(a).generation)
        digest = replace(b.replica.digest(), closed=closed)
        world.receive(Packet(b, a, codec.encode(digest)))
        assert not a.replica.counting

    @pytest.mark.parametrize("by_digest", [True, False])
    def test_a_process_whose_slot_a_peer_holds_higher_counts_on_in_a_new_one(
        self, by_digest: bool
    ) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.settle()
        old = slot_of(a)
        rows = Rows(old, 1, 3, False, (Row(TIDE, 3, 3),))
        if by_digest:
            world.count(a, "moss", 1)  # A push that is on its way then is not lost.
            digest = b.replica.digest()
            frame = replace(digest, slots={**digest.slots, old: Extent(9, None)})
            world.receive(Packet(b, a, codec.encode(frame)))
        else:
            world.receive(Packet(b, a, codec.encode(rows)))
        assert slot_of(a).generation > old.generation
        assert a.replica.tenure.superseded is None
        world.count(a, TIDE)
        assert a.replica.table.counter(TIDE).slots == {old: 1, slot_of(a): 1}

    def test_views_whose_write_fails_after_their_slot_was_given_up_are_not_counted(self) -> None:
        world, (a, b) = meet("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        digest = b.replica.digest()
        world.receive(
            Packet(b, a, codec.encode(replace(digest, slots={slot_of(a): Extent(9, None)})))
        )
        world.fail_write(a)
        world.flush(a)
        assert (a.replica.table.value(TIDE), a.disk.value(TIDE)) == (0, 0)
        assert a.replica.journal.waiting(TIDE) == 0

    def test_a_slot_that_was_folded_while_its_process_lived_is_given_up(self) -> None:
        # The node was retired by mistake.
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 3)
        world.settle()
        old = slot_of(a)
        world.learn_folded(a, {"a": old.generation})
        world.pass_time(HEARTBEAT_S)
        assert slot_of(a).generation > old.generation
        world.count(a, TIDE)
        world.finish()
        assert b.replica.table.value(TIDE) == 4
        assert old not in b.replica.table.columns

    def test_a_slot_that_is_folded_together_with_others_is_given_up_too(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(b, TIDE, 2)
        world.settle()
        old = slot_of(b)
        b = world.start("b", world.crash(b))
        world.settle()
        world.count(a, TIDE, 3)
        world.settle()
        # The fold reaches a's own column before b's older one.
        a_first = sorted(a.replica.table.columns, key=lambda slot: slot.node != "a")
        assert a_first[0] == slot_of(a)
        world.learn_folded(a, {"a": slot_of(a).generation, "b": old.generation})
        world.count(a, TIDE)
        world.finish()
        assert b.replica.table.value(TIDE) == 6

    def test_views_that_are_being_written_when_their_slot_is_folded_still_count(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 3)
        world.settle()
        a.replica.count(TIDE)
        world.begin_write(a)
        world.learn_folded(a, {"a": slot_of(a).generation})
        world.reach_disk(a)
        world.confirm(a)
        world.flush(a)
        assert a.replica.table.value(TIDE) == 4
        world.check_disk(a)
        world.finish()
        assert b.replica.table.value(TIDE) == 4
