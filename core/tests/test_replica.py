"""Core to core: what a replica counts, when others see it, and what its digests claim."""

from ratchet import codec
from ratchet.changes import Changes
from ratchet.cluster import HEARTBEAT_S
from ratchet.column import Row
from ratchet.frames import BaseRows, Digest, Hello, Rows, Send, Want, WantBase
from ratchet.generations import Generations
from ratchet.slot import Slot
from ratchet.tenure import ALONE_S
from small_world import TIDE, Packet, World, claim, meet, single, slot_of


class TestCounting:
    def test_one_view_on_a_shows_on_b_and_c(self) -> None:
        world, nodes = meet("a", "b", "c")
        world.count(nodes[0], TIDE)
        world.finish()
        assert [node.replica.table.value(TIDE) for node in nodes] == [1, 1, 1]

    def test_three_nodes_with_three_views_each_count_nine(self) -> None:
        world, nodes = meet("a", "b", "c")
        for node in nodes:
            world.count(node, TIDE, 3)
        world.finish()
        assert [node.replica.table.value(TIDE) for node in nodes] == [9, 9, 9]

    def test_a_push_alone_carries_a_view_without_waiting_for_a_digest(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        while world.wire:
            world.deliver()
        assert b.replica.table.value(TIDE) == 1
        assert b.replica.table.changed == {TIDE}

    def test_views_wait_until_the_slot_is_open(self) -> None:
        world = World()
        a = world.start("a")
        world.count(a, TIDE)
        world.pass_time(ALONE_S / 2)
        world.flush(a)
        assert a.replica.table.own is None
        assert (a.replica.table.value(TIDE), a.replica.journal.waiting(TIDE)) == (0, 1)
        assert a.disk.rows == {}
        world.pass_time(ALONE_S / 2)
        world.flush(a)
        assert (a.replica.table.value(TIDE), a.replica.journal.waiting(TIDE)) == (1, 0)

    def test_the_slot_opens_at_the_first_contact_without_waiting(self) -> None:
        world = World()
        a, b = world.start("a"), world.start("b")
        world.count(a, TIDE)
        world.deliver(next(at for at, p in enumerate(world.wire) if p.receiver is a))
        world.flush(a)
        assert a.replica.table.value(TIDE) == 1
        assert b.replica.table.own is None


class TestDurableBeforeVisible:
    def test_nobody_sees_a_view_before_it_is_on_disk(self) -> None:
        world, (a, b) = meet("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        for _ in range(3):
            world.pass_time(HEARTBEAT_S)
            while world.wire:
                world.deliver()
        assert a.replica.table.value(TIDE) == b.replica.table.value(TIDE) == 0
        assert a.replica.table.snapshot(TIDE).counter.value == 0
        assert claim(a, slot_of(a)) == 0
        world.reach_disk(a)
        assert a.replica.table.value(TIDE) == 0
        world.confirm(a)
        assert a.replica.table.value(TIDE) == 1
        assert world.on_wire(Rows, b)[0].rows == (Row(TIDE, 1, 1),)

    def test_nobody_sees_a_view_that_was_lost_with_its_process(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        a.replica.count(TIDE)
        world.begin_write(a)
        world.settle_wire()
        a = world.start("a", world.crash(a))
        world.finish()
        assert b.replica.table.value(TIDE) == 1

    def test_a_view_that_was_written_but_never_answered_counts_after_the_restart(self) -> None:
        world, (a, b) = meet("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        world.reach_disk(a)
        world.start("a", world.crash(a))
        world.finish()
        assert b.replica.table.value(TIDE) == 1

    def test_views_that_come_while_others_are_written_wait_for_the_next_write(self) -> None:
        world, (a, b) = meet("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        a.replica.count(TIDE, 2)
        world.reach_disk(a)
        world.confirm(a)
        assert (a.replica.table.value(TIDE), a.replica.journal.waiting(TIDE)) == (1, 2)
        world.flush(a)
        world.finish()
        assert b.replica.table.value(TIDE) == 3

    def test_aborted_changes_forget_own_views_and_keep_the_rows_of_others(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(b, "moss", 5)
        world.settle_wire(write=False)
        a.replica.count(TIDE)
        changes = world.begin_write(a)
        assert changes
        assert {slot.node for slot, _, _ in changes.columns} == {"a", "b"}
        world.fail_write(a)
        assert (a.replica.table.value(TIDE), a.replica.journal.waiting(TIDE)) == (0, 0)
        world.count(a, "fern")
        world.check_disk(a)
        assert a.disk.value("moss") == 5
        world.finish()
        assert TIDE not in world.truth

    def test_after_aborted_changes_the_next_take_the_same_seq(self) -> None:
        world, (a, b) = meet("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        world.fail_write(a)
        world.count(a, "moss")
        assert a.replica.table.columns[slot_of(a)].complete == 1
        world.finish()
        assert b.replica.table.value("moss") == 1


class TestDigest:
    def test_claims_only_what_is_on_disk(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.settle_wire(write=False)
        assert b.replica.table.value(TIDE) == 1
        assert claim(b, slot_of(a)) == 0
        assert a.replica.holdings.behind(b.process) == 1
        world.begin_write(b)
        assert claim(b, slot_of(a)) == 0
        world.reach_disk(b)
        world.confirm(b)
        assert claim(b, slot_of(a)) == 1
        world.settle()
        assert a.replica.holdings.behind(b.process) == 0

    def test_claims_nothing_of_changes_that_were_aborted(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.settle_wire(write=False)
        world.begin_write(b)
        world.fail_write(b)
        assert claim(b, slot_of(a)) == 0
        world.flush(b)
        assert claim(b, slot_of(a)) == 1

    def test_a_replica_that_crashed_with_unsaved_rows_gets_them_again(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.settle_wire(write=False)
        b = world.start("b", world.crash(b))
        assert b.replica.table.value(TIDE) == 0
        world.finish()
        assert b.replica.table.value(TIDE) == 1

    def test_is_sent_every_heartbeat(self) -> None:
        world, _ = meet("a", "b")
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        assert len(world.on_wire(Digest)) == 2
        world.pass_time(HEARTBEAT_S / 4)
        assert len(world.on_wire(Digest)) == 2

    def test_makes_peers_request_all_rows_that_were_lost(self) -> None:
        world, (a, b) = meet("a", "b")
        for _ in range(5):
            world.count(a, TIDE)
        world.lose_all()
        world.finish()
        assert b.replica.table.value(TIDE) == 5

    def test_equal_fingerprints_mean_equal_counts_and_an_empty_slot_makes_no_difference(
        self,
    ) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        assert a.replica.table.fingerprint() != b.replica.table.fingerprint()
        world.settle()
        assert a.replica.table.fingerprint() == b.replica.table.fingerprint()
        world.start("c")
        world.settle()
        assert len({node.replica.table.fingerprint() for node in world.alive()}) == 1

    def test_fingerprints_differ_where_only_the_bases_differ(self) -> None:
        _, (a, b) = meet("a", "b")
        assert a.replica.table.fingerprint() == b.replica.table.fingerprint()
        a.replica.table.restore(Changes(base=((TIDE, 5),)))
        assert a.replica.table.fingerprint() != b.replica.table.fingerprint()
        assert a.replica.digest().base_fingerprint != b.replica.digest().base_fingerprint


class TestOtherFrames:
    def test_a_second_hello_changes_nothing(self) -> None:
        world, (a, b) = meet("a", "b")
        before = a.replica.digest()
        world.receive(Packet(b, a, codec.encode(Hello("b", b.process, ""))))
        assert a.replica.digest() == before
        assert not world.wire

    def test_a_want_for_an_unknown_slot_gets_no_answer(self) -> None:
        world, (a, b) = meet("a", "b")
        world.receive(Packet(b, a, codec.encode(Want(Slot("z", 1), 0))))
        assert not world.wire
        assert Slot("z", 1) not in a.replica.table.columns

    def test_a_want_beyond_the_end_gets_an_answer_that_changes_nothing(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.settle()
        before = b.replica.digest()
        for above in (1, 2, 2**53 - 1):
            world.receive(Packet(b, a, codec.encode(Want(slot_of(a), above))))
        assert [frame.rows for frame in world.on_wire(Rows, b)] == [(), (), ()]
        world.settle_wire()
        assert b.replica.digest() == before

    def test_a_want_base_beyond_the_end_gets_an_empty_answer(self) -> None:
        world, (a, b) = meet("a", "b")
        world.receive(Packet(b, a, codec.encode(WantBase(2**53 - 1))))
        assert world.on_wire(BaseRows, b) == [BaseRows(Generations(), 2**53 - 1, 0, ())]

    def test_without_peers_nothing_is_sent(self) -> None:
        replica = single("a")
        replica.tick(0.0)
        sends: list[Send] = replica.tick(ALONE_S)
        replica.count(TIDE)
        changes = replica.changes()
        assert changes
        assert sends + replica.committed(changes) == []
