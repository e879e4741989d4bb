"""Core to core: what a fold lifts, while frames, writes and restarts are under way."""

import random
from dataclasses import replace

from ratchet import codec
from ratchet.changes import Changes
from ratchet.cluster import HEARTBEAT_S
from ratchet.column import Row
from ratchet.frames import BaseRows, Rows, Want, WantBase
from ratchet.generations import Generations
from ratchet.names import MAX_COUNT, MAX_LIFTED
from ratchet.slot import Slot
from small_world import (
    TIDE,
    Node,
    Packet,
    World,
    meet,
    packets_until_caught_up,
    single,
    slot_of,
)


def foldable() -> tuple[World, list[Node], Slot]:
    """Three nodes. Node a was restarted, and its old slot, with 5 views, can be folded."""
    world, (a, b, c) = meet("a", "b", "c")
    world.count(a, TIDE, 5)
    world.settle()
    old = slot_of(a)
    world.pass_time(5)
    a = world.start("a", world.crash(a))
    world.settle()
    return world, [a, b, c], old


class TestFolds:
    def test_of_more_views_than_the_largest_count_are_sent_and_stored(self) -> None:
        # No process can count so many views. Only a clock of no use lets them pass.
        world = World()
        a, b = (world.start(name, clock_ms=1) for name in "ab")
        world.settle()
        world.count(b, TIDE, MAX_COUNT)
        world.count(b, "moss", 7)
        world.settle()
        old = slot_of(b)
        b = world.start("b", world.crash(b), clock_ms=1)
        world.settle()
        world.learn_folded(a, {"b": old.generation})
        world.finish()
        for node in (a, b):
            assert node.disk.lifted_views == {"b": MAX_LIFTED}
            assert [node.replica.table.value(video) for video in (TIDE, "moss")] == [MAX_COUNT, 7]

    def test_that_one_node_learns_lift_at_every_node_and_count_nothing_twice(self) -> None:
        world, (a, b, c), old = foldable()
        world.learn_folded(b, {"a": old.generation})
        for _ in range(6):
            world.pass_time(0.5)
            world.settle_wire(check=True)
        for node in (a, b, c):
            assert node.replica.table.counter(TIDE) == (5, {})
            assert old not in node.replica.digest().slots
        world.finish()

    def test_that_two_nodes_learn_or_one_learns_twice_end_in_the_same_state(self) -> None:
        world, (a, b, c), old = foldable()
        for node in (b, c, b):
            world.learn_folded(node, {"a": old.generation})
        world.finish()
        assert a.replica.table.counter(TIDE) == (5, {})

    def test_are_lifted_on_disk_too(self) -> None:
        world, (_, b, _), old = foldable()
        world.learn_folded(b, {"a": old.generation})
        world.flush(b)
        assert (b.disk.base, b.disk.folded) == ({TIDE: 5}, {"a": old.generation})
        assert old not in b.disk.rows
        b = world.start("b", world.crash(b))
        assert b.replica.table.counter(TIDE) == (5, {})

    def test_that_were_lost_in_a_crash_are_learned_again(self) -> None:
        world, (_, b, _), old = foldable()
        world.learn_folded(b, {"a": old.generation})
        world.pass_time(HEARTBEAT_S)
        b = world.start("b", world.crash(b))
        assert b.replica.table.counter(TIDE) == (0, {old: 5})
        world.finish()

    def test_make_a_late_replica_lift_and_count_nothing_twice(self) -> None:
        world, (a, b, c), old = foldable()
        world.cut_off(c)
        world.learn_folded(b, {"a": old.generation})
        world.settle()
        assert c.replica.table.counter(TIDE) == (0, {old: 5})
        world.count(c, TIDE)
        world.finish()
        assert a.replica.table.counter(TIDE) == (5, {slot_of(c): 1})

    def test_give_a_late_replica_with_half_of_a_folded_slot_the_other_half(self) -> None:
        world, (a, b, c) = meet("a", "b", "c")
        world.count(a, TIDE, 2)
        world.settle()
        backup = c.disk.copy()
        world.count(a, TIDE, 3)
        world.settle()
        old = slot_of(a)
        world.pass_time(5)
        world.crash(a)
        world.crash(c)
        world.start("a", a.disk)
        world.settle()
        world.learn_folded(b, {"a": old.generation})
        world.settle()
        c = world.start("c", backup)
        assert c.replica.table.value(TIDE) == 2
        world.finish()
        assert c.replica.table.counter(TIDE) == (5, {})

    def test_make_a_replica_ignore_late_rows_of_the_folded_slot(self) -> None:
        world, (_, b, c), old = foldable()
        world.learn_folded(b, {"a": old.generation})
        late = Rows(old, 0, 1, False, (Row(TIDE, 5, 1),))
        world.receive(Packet(c, b, codec.encode(late)))
        assert b.replica.table.counter(TIDE) == (5, {})
        world.receive(Packet(c, b, codec.encode(c.replica.digest())))
        assert not world.on_wire(Want, c)
        world.finish()

    def test_learned_before_a_received_row_is_written_bring_the_row_to_disk(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 5)
        world.settle_wire(write=False)
        world.learn_folded(b, {"a": slot_of(a).generation})
        world.flush(b)
        assert b.replica.table.value(TIDE) == 5
        world.check_disk(b)

    def test_learned_while_the_write_of_a_row_fails_bring_the_row_to_disk(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 5)
        world.settle_wire(write=False)
        world.begin_write(b)
        world.learn_folded(b, {"a": slot_of(a).generation})
        world.fail_write(b)
        world.flush(b)
        assert b.replica.table.value(TIDE) == 5
        world.check_disk(b)

    def test_learned_while_a_row_is_written_are_lifted_by_the_next_write(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE, 5)
        world.settle_wire(write=False)
        world.begin_write(b)
        world.learn_folded(b, {"a": slot_of(a).generation})
        world.reach_disk(b)
        world.confirm(b)
        world.flush(b)
        assert b.replica.table.value(TIDE) == 5
        world.check_disk(b)


class TestBase:
    def test_is_exchanged_where_folds_are_equal_and_fingerprints_differ(self) -> None:
        world, (a, b, c), old = foldable()
        world.crash(c)
        for number in range(3500):
            a.replica.count(f"video-{number}")
        world.flush(a)
        world.settle()
        second = slot_of(a)
        world.pass_time(5)
        world.crash(a)
        world.start("a", a.disk)
        world.settle()
        world.learn_folded(b, {"a": second.generation})
        world.settle()
        d = world.start("d")
        for packet in packets_until_caught_up(world, d):
            world.receive(packet)
        assert d.replica.table.value("video-3499") == 1
        assert d.replica.table.counter(TIDE) == (5, {})
        assert old.generation < second.generation
        world.finish()

    def test_is_sent_in_chunks_of_at_most_1000(self) -> None:
        world, (a, b) = meet("a", "b")
        b.replica.table.base.merge((f"video-{number}", 1) for number in range(2500))
        digest = b.replica.digest()
        world.receive(Packet(b, a, codec.encode(digest)))
        assert world.on_wire(WantBase, b) == [WantBase(0)]
        lengths = []
        while world.wire:
            packet = world.wire.pop(0)
            if isinstance(packet.frame, BaseRows):
                lengths.append(len(packet.frame.entries))
            world.receive(packet)
        assert lengths == [1000, 1000, 500]
        assert a.replica.table.base.fingerprint == b.replica.table.base.fingerprint

    def test_is_not_requested_where_fingerprints_are_equal(self) -> None:
        world, (_, b, _), old = foldable()
        world.learn_folded(b, {"a": old.generation})
        world.settle()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(lose=WantBase)
        assert world.lost == 0

    def test_without_a_request_is_not_merged(self) -> None:
        world, (a, b) = meet("a", "b")
        world.receive(Packet(b, a, codec.encode(BaseRows(Generations(), 0, 1, ((TIDE, 5),)))))
        assert a.replica.table.value(TIDE) == 0

    def test_with_other_folds_than_ours_is_not_merged(self) -> None:
        world, (a, b) = meet("a", "b")
        b.replica.table.restore(Changes(base=((TIDE, 5),)))
        world.pass_time(HEARTBEAT_S)
        while not world.on_wire(WantBase):
            world.deliver()
        world.lose_all()
        world.receive(Packet(b, a, codec.encode(BaseRows(Generations(x=7), 0, 1, ((TIDE, 5),)))))
        assert a.replica.table.value(TIDE) == 0

    def test_that_grew_by_a_merge_is_written(self) -> None:
        world, (a, b) = meet("a", "b")
        b.replica.table.restore(Changes(base=((TIDE, 5),)))
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        changes = world.begin_write(a)
        assert changes
        assert changes.base == ((TIDE, 5),)
        world.fail_write(a)
        world.flush(a)
        assert a.disk.base == {TIDE: 5}


class TestRestore:
    def test_reads_back_what_was_written_in_parts_of_any_size(self) -> None:
        world, nodes, old = foldable()
        chance = random.Random(7)
        for _ in range(60):
            world.count(chance.choice(nodes), f"video-{chance.randrange(9)}")
        world.settle()
        world.learn_folded(nodes[1], {"a": old.generation})
        world.settle()
        node = nodes[2]
        for size in (1, 2, 5, 1000):
            replica = single("c")
            for part in node.disk.read(size):
                replica.table.restore(part)
            assert replica.table.fingerprint() == node.replica.table.fingerprint()
            expected = replace(node.replica.digest(), slot=None, alive={})
            assert replica.digest() == expected
            assert replica.changes() is None

    def test_columns_are_bounded_over_any_number_of_restarts(self) -> None:
        world, (a, b) = meet("a", "b")
        for _ in range(20):
            world.count(a, TIDE)
            world.settle()
            old = slot_of(a)
            world.pass_time(1)
            a = world.start("a", world.crash(a))
            world.settle()
            world.learn_folded(b, {"a": old.generation})
            world.settle()
        assert len(a.replica.table.columns) <= 2
        assert len(b.replica.table.columns) <= 2
        assert len(b.disk.rows) <= 2
        world.finish()
