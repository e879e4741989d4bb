"""Core to core: stories of real replicas that lose frames, disks, links and lives."""

import random
from collections.abc import Iterator
from typing import Final

import pytest
from ratchet import codec
from ratchet.changes import Changes
from ratchet.column import Row
from ratchet.exchange import Send
from ratchet.frames import MAX_ROWS, BaseRows, Digest, Extent, Hello, Rows, Want, WantBase
from ratchet.names import MAX_COUNT
from ratchet.replica import ALONE_S, HEARTBEAT_S, Replica
from ratchet.slot import Slot, new_generation
from ratchet.transfers import ASK_AGAIN_S
from simulator import Node, Packet, World, slot_of

TIDE: Final = "tide"


def _world(*names: str) -> tuple[World, list[Node]]:
    """Nodes that know each other and have opened their slots."""
    world = World()
    nodes = [world.start(name) for name in names]
    world.settle()
    return world, nodes


def _replica(name: str, chunk: int = MAX_ROWS) -> Replica:
    """One without a world around it."""
    return Replica(Hello(name, f"{ord(name):016x}", ""), 1, lambda _: 0, 0.0, chunk=chunk)


def _wanted(world: World, of: Node) -> list[tuple[Slot, int]]:
    """What `of` is being asked for."""
    return [(want.slot, want.above) for want in world.on_wire(Want, of)]


def _claim(node: Node, slot: Slot) -> int:
    """Up to where `node` says to have `slot` on disk."""
    return node.replica.digest().slots.get(slot, Extent(0, 0)).upto


def _packets_until_caught_up(world: World, node: Node) -> Iterator[Packet]:
    """What `world` has on its wire, one by one and to be handed on, until `node` has it all."""
    for _ in range(1000):
        if node.replica.caught_up():
            return
        if world.wire:
            yield world.wire.pop(0)
        else:
            world.pass_time(0.1)
            world.flush(node)
    raise AssertionError(f"{node} never caught up")


class TestCounting:
    def test_one_view_on_a_shows_on_b_and_c(self) -> None:
        world, nodes = _world("a", "b", "c")
        world.count(nodes[0], TIDE)
        world.finish()
        assert [node.replica.value(TIDE) for node in nodes] == [1, 1, 1]

    def test_three_nodes_with_three_views_each_count_nine(self) -> None:
        world, nodes = _world("a", "b", "c")
        for node in nodes:
            world.count(node, TIDE, 3)
        world.finish()
        assert [node.replica.value(TIDE) for node in nodes] == [9, 9, 9]

    def test_a_push_alone_carries_a_view_without_waiting_for_a_digest(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        while world.wire:
            world.deliver()
        assert b.replica.value(TIDE) == 1
        assert b.replica.changed == {TIDE}

    def test_views_wait_until_the_slot_is_open(self) -> None:
        world = World()
        a = world.start("a")
        world.count(a, TIDE)
        world.pass_time(ALONE_S / 2)
        world.flush(a)
        assert (a.replica.slot, a.replica.value(TIDE), a.replica.pending(TIDE)) == (None, 0, 1)
        assert a.disk.rows == {}
        world.pass_time(ALONE_S / 2)
        world.flush(a)
        assert (a.replica.value(TIDE), a.replica.pending(TIDE)) == (1, 0)

    def test_the_slot_opens_at_the_first_contact_without_waiting(self) -> None:
        world = World()
        a, b = world.start("a"), world.start("b")
        world.count(a, TIDE)
        world.deliver(next(at for at, p in enumerate(world.wire) if p.receiver is a))
        world.flush(a)
        assert a.replica.value(TIDE) == 1
        assert b.replica.slot is None


class TestDurableBeforeVisible:
    def test_nobody_sees_a_view_before_it_is_on_disk(self) -> None:
        world, (a, b) = _world("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        for _ in range(3):
            world.pass_time(HEARTBEAT_S)
            while world.wire:
                world.deliver()
        assert a.replica.value(TIDE) == b.replica.value(TIDE) == 0
        assert a.replica.snapshot(TIDE).counter.value == 0
        assert _claim(a, slot_of(a)) == 0
        world.reach_disk(a)
        assert a.replica.value(TIDE) == 0
        world.confirm(a)
        assert a.replica.value(TIDE) == 1
        assert world.on_wire(Rows, b)[0].rows == (Row(TIDE, 1, 1),)

    def test_a_view_that_died_with_its_process_was_seen_by_nobody(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        a.replica.count(TIDE)
        world.begin_write(a)
        world.settle_wire()
        a = world.start("a", world.crash(a))
        world.finish()
        assert b.replica.value(TIDE) == 1

    def test_a_view_that_was_written_but_never_answered_counts_after_the_restart(self) -> None:
        world, (a, b) = _world("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        world.reach_disk(a)
        world.start("a", world.crash(a))
        world.finish()
        assert b.replica.value(TIDE) == 1

    def test_views_that_come_while_others_are_written_wait_for_the_next_write(self) -> None:
        world, (a, b) = _world("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        a.replica.count(TIDE, 2)
        world.reach_disk(a)
        world.confirm(a)
        assert (a.replica.value(TIDE), a.replica.pending(TIDE)) == (1, 2)
        world.flush(a)
        world.finish()
        assert b.replica.value(TIDE) == 3

    def test_aborted_changes_forget_own_views_and_keep_the_rows_of_others(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(b, "moss", 5)
        world.settle_wire(write=False)
        a.replica.count(TIDE)
        changes = world.begin_write(a)
        assert changes
        assert {slot.node for slot, _, _ in changes.columns} == {"a", "b"}
        world.fail_write(a)
        assert (a.replica.value(TIDE), a.replica.pending(TIDE)) == (0, 0)
        world.count(a, "fern")
        world.check_disk(a)
        assert a.disk.value("moss") == 5
        world.finish()
        assert TIDE not in world.truth

    def test_after_aborted_changes_the_next_take_the_same_seq(self) -> None:
        world, (a, b) = _world("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        world.fail_write(a)
        world.count(a, "moss")
        assert a.replica.columns[slot_of(a)].upto == 1
        world.finish()
        assert b.replica.value("moss") == 1


class TestDigest:
    def test_claims_only_what_is_on_disk(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.settle_wire(write=False)
        assert b.replica.value(TIDE) == 1
        assert _claim(b, slot_of(a)) == 0
        assert a.replica.behind(b.process) == 1
        world.begin_write(b)
        assert _claim(b, slot_of(a)) == 0
        world.reach_disk(b)
        world.confirm(b)
        assert _claim(b, slot_of(a)) == 1
        world.settle()
        assert a.replica.behind(b.process) == 0

    def test_claims_nothing_of_changes_that_were_aborted(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.settle_wire(write=False)
        world.begin_write(b)
        world.fail_write(b)
        assert _claim(b, slot_of(a)) == 0
        world.flush(b)
        assert _claim(b, slot_of(a)) == 1

    def test_a_replica_that_crashed_with_unsaved_rows_gets_them_again(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.settle_wire(write=False)
        b = world.start("b", world.crash(b))
        assert b.replica.value(TIDE) == 0
        world.finish()
        assert b.replica.value(TIDE) == 1

    def test_is_said_every_heartbeat(self) -> None:
        world, _ = _world("a", "b")
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        assert len(world.on_wire(Digest)) == 2
        world.pass_time(HEARTBEAT_S / 4)
        assert len(world.on_wire(Digest)) == 2

    def test_heals_whatever_was_lost(self) -> None:
        world, (a, b) = _world("a", "b")
        for _ in range(5):
            world.count(a, TIDE)
        world.lose_all()
        world.finish()
        assert b.replica.value(TIDE) == 5

    def test_equal_fingerprints_mean_equal_counts_and_an_empty_slot_makes_no_difference(
        self,
    ) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        assert a.replica.fingerprint() != b.replica.fingerprint()
        world.settle()
        assert a.replica.fingerprint() == b.replica.fingerprint()
        world.start("c")
        world.settle()
        assert len({node.replica.fingerprint() for node in world.alive()}) == 1

    def test_fingerprints_tell_apart_what_only_the_base_tells_apart(self) -> None:
        _, (a, b) = _world("a", "b")
        assert a.replica.fingerprint() == b.replica.fingerprint()
        a.replica.restore(Changes(base=((TIDE, 5),)))
        assert a.replica.fingerprint() != b.replica.fingerprint()
        assert a.replica.digest().base != b.replica.digest().base


class TestGaps:
    def test_a_frame_after_a_lost_one_is_dropped_and_asked_for(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.lose_all()
        world.count(a, "moss")
        world.deliver()
        assert b.replica.value("moss") == 0
        assert _claim(b, slot_of(a)) == 0
        assert _wanted(world, a) == [(slot_of(a), 0)]
        world.settle_wire()
        assert (b.replica.value(TIDE), b.replica.value("moss")) == (1, 1)

    def test_pushes_while_rows_are_asked_for_ask_no_second_time(self) -> None:
        # Else each push during a catch-up would bring the same thousand rows once more.
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.lose_all()
        for _ in range(10):
            world.count(a, "moss")
        while world.on_wire(Rows, b):
            world.deliver(next(at for at, p in enumerate(world.wire) if p.receiver is b))
        assert _wanted(world, a) == [(slot_of(a), 0)]

    def test_a_question_without_an_answer_is_asked_again(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(lose=Want)
        assert world.lost == 1
        world.pass_time(ASK_AGAIN_S)
        world.settle_wire()
        assert b.replica.value(TIDE) == 1

    def test_a_question_to_a_peer_that_left_is_asked_of_another_at_its_next_digest(self) -> None:
        world, (a, b, c) = _world("a", "b", "c")
        world.cut(a, c)
        world.cut(b, c)
        world.count(a, TIDE)
        world.settle()
        world.heal()
        world.deliver(
            next(at for at, p in enumerate(world.wire) if (p.sender, p.receiver) == (a, c))
        )
        assert world.on_wire(Want, a)
        world.crash(a)
        world.settle_wire()
        assert c.replica.value(TIDE) == 1
        assert b.alive

    def test_old_and_doubled_frames_change_nothing(self) -> None:
        world, (a, b) = _world("a", "b")
        frames = []
        for _ in range(4):
            world.count(a, TIDE)
            frames += [packet for packet in world.wire if isinstance(packet.frame, Rows)]
            world.settle()
        before = (b.replica.fingerprint(), b.replica.value(TIDE))
        for packet in [*frames, *reversed(frames)]:
            world.hand(packet)
            assert (b.replica.fingerprint(), b.replica.value(TIDE)) == before
        assert b.replica.changes() is None

    @pytest.mark.parametrize("seed", range(10))
    def test_a_wire_that_loses_doubles_and_reorders_brings_everything_in_the_end(
        self, seed: int
    ) -> None:
        chance = random.Random(seed)
        world, nodes = _world("a", "b", "c")
        for _ in range(150):
            if chance.random() < 0.3:
                world.count(chance.choice(nodes), chance.choice([TIDE, "moss", "fern"]))
            elif world.wire:
                at = chance.randrange(len(world.wire))
                if chance.random() < 0.2:
                    world.wire.pop(at)
                else:
                    world.deliver(at, keep=chance.random() < 0.2)
            else:
                world.pass_time(0.5)
            for node in nodes:
                world.check(node)
        world.finish()


class TestCatchUp:
    def test_of_3500_rows_goes_in_chunks_from_one_peer_each_once(self) -> None:
        world, (a, b) = _world("a", "b")
        for number in range(3500):
            a.replica.count(f"video-{number}", number % 7 + 1)
        world.flush(a)
        world.settle()
        c = world.start("c")
        assert not c.replica.caught_up()
        chunks = []
        for packet in _packets_until_caught_up(world, c):
            if packet.receiver is c and isinstance(packet.frame, Rows):
                chunks.append((packet.sender, packet.frame))
            world.hand(packet)
        assert [len(frame.rows) for _, frame in chunks] == [1000, 1000, 1000, 500]
        assert len({sender.process for sender, _ in chunks}) == 1
        assert [(f.start, f.more) for _, f in chunks] == [
            (0, True), (1000, True), (2000, True), (3000, False)
        ]  # fmt: skip
        world.finish()
        assert b.replica.value("video-3499") == c.replica.value("video-3499") == 3499 % 7 + 1

    def test_asks_for_the_next_chunk_when_the_last_is_on_disk_and_claims_all_at_the_end(
        self,
    ) -> None:
        world, (a, b) = _world("a", "b")
        for number in range(MAX_ROWS + 1):
            a.replica.count(f"video-{number}")
        world.flush(a)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        assert b.replica.value("video-0") == 1
        assert _claim(b, slot_of(a)) == 0
        world.flush(b)
        assert b.replica.value(f"video-{MAX_ROWS}") == _claim(b, slot_of(a)) == 0
        assert b.replica.digest().slots[slot_of(a)].fingerprint is None, "more is on its way"
        assert _wanted(world, a) == [(slot_of(a), MAX_ROWS)]
        world.settle_wire()
        assert _claim(b, slot_of(a)) == MAX_ROWS + 1
        world.finish()

    def test_a_large_push_is_sent_in_frames_of_at_most_1000_rows(self) -> None:
        world, (a, b) = _world("a", "b")
        for number in range(2500):
            a.replica.count(f"video-{number}")
        world.flush(a)
        frames = world.on_wire(Rows, b)
        assert [(f.start, f.upto, len(f.rows)) for f in frames] == [
            (0, 1000, 1000), (1000, 2000, 1000), (2000, 2500, 500)
        ]  # fmt: skip
        world.finish()

    def test_that_its_source_did_not_live_to_finish_claims_no_more_than_it_brought(self) -> None:
        # A row that a later one has replaced is not in the chunk of its own seq. If the source
        # dies before the chunk with the later one, somebody else must be asked for the earlier.
        world, (a, b, c) = _world("a", "b", "c")
        world.cut_off(c)
        world.count(a, TIDE)
        for number in range(MAX_ROWS):
            a.replica.count(f"video-{number}")
        world.flush(a)
        world.settle()
        world.cut(a, b)
        for video in ("moss", TIDE):
            world.count(a, video)
        world.cuts.discard(frozenset((a.process, c.process)))
        world.connect(a, c)
        while not world.on_wire(Rows, c):
            world.deliver()
        assert [frame.more for frame in world.on_wire(Rows, c)] == [True]
        while world.on_wire(Rows, c):
            world.deliver()
        world.flush(c)
        world.crash(a)
        world.lose_all()
        world.check(c)
        world.heal()
        world.settle()
        assert b.replica.value(TIDE) == 1
        assert c.replica.value(TIDE) == 1
        world.assert_equal()

    def test_whose_chunk_a_slow_disk_still_lacks_is_not_in_the_digest(self) -> None:
        world, (a, b) = _world("a", "b")
        for number in range(MAX_ROWS + 1):
            a.replica.count(f"video-{number}")
        world.flush(a)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        assert b.replica.value("video-0") == 1
        world.crash(a)
        world.pass_time(ASK_AGAIN_S)
        world.check(b)
        world.begin_write(b)
        world.check(b)
        world.fail_write(b)
        world.check(b)
        world.flush(b)
        world.check(b)

    def test_that_its_source_did_not_live_to_finish_passes_on_what_it_brought(self) -> None:
        # Nobody claims these rows. That b and c hold different ones shows in their fingerprints.
        world, (a, b, c) = _world("a", "b", "c")
        world.cut(a, b)
        world.cut(b, c)
        for number in range(MAX_ROWS + 1):
            a.replica.count(f"video-{number}")
        world.flush(a)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        while not world.on_wire(Rows, c):
            world.deliver()
        while world.on_wire(Rows, c):
            world.deliver()
        world.flush(c)
        world.crash(a)
        world.heal()
        world.settle()
        assert (_claim(b, slot_of(a)), _claim(c, slot_of(a))) == (0, 0)
        assert b.replica.value("video-0") == c.replica.value("video-0") == 1
        world.assert_equal()

    def test_is_not_done_when_the_peer_that_had_more_has_gone(self) -> None:
        world, (a, b) = _world("a", "b")
        world.cut(a, b)
        world.count(a, TIDE)
        world.heal()
        while not b.replica.peers.by_process[a.process].digest:
            world.deliver()
        world.cut(a, b)
        # What it had has been seen by people; showing less would be going down.
        assert not b.replica.caught_up()
        world.heal()
        world.settle()
        assert b.replica.caught_up()

    def test_a_peer_that_has_not_the_same_is_doubted_now_and_then_and_not_at_each_digest(
        self,
    ) -> None:
        world = World()
        a, b = world.start("a"), world.start("b")
        world.settle()
        world.count(a, TIDE)
        world.settle()
        # What a transfer that broke off has left here: b has more than it claims.
        z = Slot("z", 1)
        for node, rows in ((a, ()), (b, (Row("moss", 1, 5),))):
            other = b if node is a else a
            frame = Rows(z, 0, 9, bool(rows), rows) if rows else Rows(z, 0, 0, False, ())
            world.hand(Packet(other, node, codec.encode(frame)))
            world.flush(node)
        digest = a.replica.digest()
        asked = []
        for _ in range(3):
            world.lose_all()
            world.now += ASK_AGAIN_S / 2
            world.hand(Packet(a, b, codec.encode(digest._replace(slots={z: Extent(0, 0)}))))
            asked += world.on_wire(Want, a)
            world.lose_all()
            # Answered, with nothing in it that b hadn't got.
            for want in asked[-1:]:
                answer = Rows(z, 0, 0, False, (), answers=want.number)
                world.hand(Packet(a, b, codec.encode(answer)))
        assert len(asked) == 1
        assert b.replica.digest().slots[z].fingerprint is not None

    def test_a_late_push_that_begins_where_a_chunk_is_awaited_ends_nothing(self) -> None:
        world = World(chunk=2)
        a, b = world.start("a"), world.start("b")
        world.settle()
        world.cut(a, b)
        for video in (TIDE, "moss", "fern", "reef", "fern"):
            world.count(a, video)
        late = Rows(slot_of(a), 2, 7, False, (Row("dune", 1, 6), Row("kelp", 1, 7)))
        world.heal()
        while _claim(b, slot_of(a)) == 0 and "moss" not in b.replica.videos():
            world.deliver()
        world.flush(b)
        # Sent before the answer that is awaited now, and after what is missing here had moved.
        world.hand(Packet(a, b, codec.encode(late)))
        world.flush(b)
        assert _claim(b, slot_of(a)) == 0

    def test_an_answer_to_the_process_before_is_none_to_this_one(self) -> None:
        world = World(chunk=2)
        a, b = world.start("a"), world.start("b")
        world.settle()
        world.cut(a, b)
        for video in (TIDE, "moss", "fern", "reef"):
            world.count(a, video)
        world.heal()
        old = []
        while _claim(b, slot_of(a)) == 0:
            old += [frame for frame in world.on_wire(Rows, b) if frame not in old]
            world.deliver()
            world.flush(b)
        b = world.start("b", world.crash(b) and None)
        world.deliver(next(at for at, p in enumerate(world.wire) if p.receiver is b))
        for frame in old:
            world.hand(Packet(a, b, codec.encode(frame)))
            world.flush(b)
        assert _claim(b, slot_of(a)) == 0

    @pytest.mark.parametrize("takes_s", [2.1, 2.5, 3.7])
    def test_over_a_link_slower_than_the_patience_ends_all_the_same(self, takes_s: float) -> None:
        a, b = _replica("a", chunk=2), _replica("b", chunk=2)
        for replica in (a, b):
            replica.tick(0.0)
            replica.tick(ALONE_S)
        for number in range(9):
            a.count(f"video-{number}")
        if changes := a.changes():
            a.committed(changes)
        a.joined(b.me)
        b.joined(a.me)
        # Frames on their way: when they arrive, and at whom.
        wire: list[tuple[float, Replica, Send]] = []
        now = ALONE_S
        while now < 60.0 and b.fingerprint() != a.fingerprint():
            now += 0.1
            wire += [(now + takes_s, b, send) for send in a.tick(now)]
            arrived = [entry for entry in wire if entry[0] <= now]
            wire = [entry for entry in wire if entry[0] > now]
            for _, to, send in arrived:
                answers = to.receive(send.frame, (a if to is b else b).me.process, now)
                wire += [
                    (now + (takes_s if to is a else 0.0), a if to is b else b, s) for s in answers
                ]
                if changes := b.changes():
                    wire += [(now, a, send) for send in b.committed(changes)]
        assert b.fingerprint() == a.fingerprint()

    def test_is_not_done_before_every_peer_has_spoken(self) -> None:
        world, (a, _b) = _world("a", "b")
        world.count(a, TIDE)
        world.settle()
        c = world.start("c")
        assert not c.replica.caught_up()
        while c.replica.value(TIDE) == 0:
            world.deliver()
        world.settle()
        assert c.replica.caught_up()

    def test_a_crashed_nodes_last_rows_spread_from_whoever_has_them(self) -> None:
        world, (a, b, c) = _world("a", "b", "c")
        world.cut(a, c)
        world.cut(b, c)
        for _ in range(3):
            world.count(a, TIDE)
        world.settle()
        world.crash(a)
        world.heal()
        world.settle()
        world.assert_equal()
        assert b.replica.value(TIDE) == c.replica.value(TIDE) == 3

    def test_rows_that_are_not_on_disk_yet_spread_too(self) -> None:
        world, (a, b, c) = _world("a", "b", "c")
        world.cut(a, c)
        world.count(a, TIDE)
        world.deliver()  # The push to b; b doesn't write it yet.
        assert b.replica.value(TIDE) == 1
        world.hand(Packet(c, b, codec.encode(Want(slot_of(a), 0))))
        assert [frame.upto for frame in world.on_wire(Rows, c)] == [1]

    def test_split_brain_counts_on_both_sides_and_is_equal_after_healing(self) -> None:
        world, (a, b, c) = _world("a", "b", "c")
        world.cut_off(c)
        for node, views in ((a, 2), (b, 3), (c, 4)):
            world.count(node, TIDE, views)
        world.settle()
        assert [node.replica.value(TIDE) for node in (a, b, c)] == [5, 5, 4]
        world.finish()
        assert c.replica.value(TIDE) == 9


class TestSlots:
    def test_a_restart_opens_a_new_slot_and_moves_no_count(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 5)
        world.settle()
        old = slot_of(a)
        world.pass_time(10)
        a = world.start("a", world.crash(a))
        world.settle()
        assert slot_of(a).generation > old.generation
        assert b.replica.counter(TIDE).slots == {old: 5}
        world.count(a, TIDE)
        world.finish()
        assert b.replica.counter(TIDE).slots == {old: 5, slot_of(a): 1}
        assert b.replica.closed["a"] == slot_of(a).generation - 1

    @pytest.mark.parametrize("clock_ms", [0, 1, 1_000_000_000_000])
    def test_a_restart_with_the_clock_set_back_opens_a_new_slot(self, clock_ms: int) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 5)
        old = slot_of(a)
        a = world.start("a", world.crash(a), clock_ms, alone=True)
        world.pass_time(ALONE_S)
        world.count(a, TIDE)
        assert slot_of(a).generation > old.generation
        world.finish()
        assert b.replica.value(TIDE) == 6

    def test_a_restart_without_its_disk_and_with_the_clock_set_back_opens_a_new_slot(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 5)
        world.settle()
        old = slot_of(a)
        world.crash(a)
        a = world.start("a", clock_ms=1)
        world.count(a, TIDE)
        world.finish()
        assert slot_of(a).generation > old.generation
        assert a.replica.value(TIDE) == b.replica.value(TIDE) == 6

    def test_a_restart_from_an_old_backup_gets_back_all_that_others_have(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 2)
        backup = a.disk.copy()
        world.count(a, TIDE, 3)
        world.settle()
        world.crash(a)
        a = world.start("a", backup)
        assert a.replica.value(TIDE) == 2
        world.count(a, TIDE)
        world.finish()
        assert a.replica.value(TIDE) == b.replica.value(TIDE) == 6

    def test_two_starts_from_one_disk_with_the_clock_set_back_open_different_slots(self) -> None:
        world, (a,) = _world("a")
        world.count(a, TIDE)
        disk = world.crash(a)
        one = world.start("a", disk.copy(), 1, alone=True)
        two = world.start("a", disk.copy(), 1, alone=True)
        world.pass_time(ALONE_S)
        assert slot_of(one) != slot_of(two)

    def test_two_starts_in_one_millisecond_open_different_slots(self) -> None:
        assert new_generation(7, lambda _: 1, 0) != new_generation(7, lambda _: 2, 0)
        assert new_generation(7, lambda below: below - 1, 0) < new_generation(8, lambda _: 0, 0)

    def test_a_start_names_everything_before_it_closed(self) -> None:
        _, (a,) = _world("a")
        assert a.replica.closed == {"a": slot_of(a).generation - 1}
        assert a.replica.superseded() is None

    def test_a_process_hears_that_a_newer_one_of_its_name_has_started(self) -> None:
        world, (a, _b) = _world("a", "b")
        world.count(a, TIDE)
        world.pass_time(1)
        newer = world.start("a")
        world.settle()
        assert newer.replica.superseded() is None
        assert str(slot_of(newer)) in (a.replica.superseded() or "")
        world.finish()

    def test_a_process_hears_that_its_slot_was_closed(self) -> None:
        world, (a, b) = _world("a", "b")
        closed = {"a": slot_of(a).generation}
        digest = b.replica.digest()._replace(closed=closed)
        world.hand(Packet(b, a, codec.encode(digest)))
        assert not a.replica.counting

    @pytest.mark.parametrize("by_digest", [True, False])
    def test_a_process_whose_slot_is_held_higher_elsewhere_counts_on_in_a_new_one(
        self, by_digest: bool
    ) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.settle()
        old = slot_of(a)
        rows = Rows(old, 1, 3, False, (Row(TIDE, 3, 3),))
        if by_digest:
            world.count(a, "moss", 1)  # What is on its way when the news comes is not lost.
            digest = b.replica.digest()
            frame = digest._replace(slots={**digest.slots, old: Extent(9, None)})
            world.hand(Packet(b, a, codec.encode(frame)))
        else:
            world.hand(Packet(b, a, codec.encode(rows)))
        assert slot_of(a).generation > old.generation
        assert a.replica.superseded() is None
        world.count(a, TIDE)
        assert a.replica.counter(TIDE).slots == {old: 1, slot_of(a): 1}

    def test_views_that_failed_while_the_slot_was_given_up_stay_forgotten(self) -> None:
        world, (a, b) = _world("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        digest = b.replica.digest()
        world.hand(Packet(b, a, codec.encode(digest._replace(slots={slot_of(a): Extent(9, None)}))))
        world.fail_write(a)
        world.flush(a)
        assert (a.replica.value(TIDE), a.disk.value(TIDE), a.replica.pending(TIDE)) == (0, 0, 0)

    def test_a_slot_that_was_folded_while_its_process_lived_is_given_up(self) -> None:
        # Retired by mistake.
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 3)
        world.settle()
        old = slot_of(a)
        world.tell_folded(a, {"a": old.generation})
        world.pass_time(HEARTBEAT_S)
        assert slot_of(a).generation > old.generation
        world.count(a, TIDE)
        world.finish()
        assert b.replica.value(TIDE) == 4
        assert old not in b.replica.columns

    def test_a_slot_that_is_folded_together_with_others_is_given_up_all_the_same(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(b, TIDE, 2)
        world.settle()
        old = slot_of(b)
        b = world.start("b", world.crash(b))
        world.settle()
        world.count(a, TIDE, 3)
        world.settle()
        # a's own column came before b's older one.
        a_first = sorted(a.replica.columns, key=lambda slot: slot.node != "a")
        assert a_first[0] == slot_of(a)
        world.tell_folded(a, {"a": slot_of(a).generation, "b": old.generation})
        world.count(a, TIDE)
        world.finish()
        assert b.replica.value(TIDE) == 6

    def test_views_on_their_way_to_disk_when_their_slot_is_folded_still_count(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 3)
        world.settle()
        a.replica.count(TIDE)
        world.begin_write(a)
        world.tell_folded(a, {"a": slot_of(a).generation})
        world.reach_disk(a)
        world.confirm(a)
        world.flush(a)
        assert a.replica.value(TIDE) == 4
        world.check_disk(a)
        world.finish()
        assert b.replica.value(TIDE) == 4


def _folded_world() -> tuple[World, list[Node], Slot]:
    """Three nodes; a has been restarted and its old slot, which has 5 views, can be folded."""
    world, (a, b, c) = _world("a", "b", "c")
    world.count(a, TIDE, 5)
    world.settle()
    old = slot_of(a)
    world.pass_time(5)
    a = world.start("a", world.crash(a))
    world.settle()
    return world, [a, b, c], old


class TestFolds:
    def test_of_more_views_in_all_than_one_number_can_say_is_told_and_stored(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(b, TIDE, MAX_COUNT)
        world.count(b, "moss", 7)
        world.settle()
        old = slot_of(b)
        b = world.start("b", world.crash(b))
        world.settle()
        world.tell_folded(a, {"b": old.generation})
        world.finish()
        for node in (a, b):
            assert node.disk.lifted == {"b": MAX_COUNT}
            assert (node.replica.value(TIDE), node.replica.value("moss")) == (MAX_COUNT, 7)

    def test_heard_of_on_one_node_lift_everywhere_and_double_nowhere(self) -> None:
        world, (a, b, c), old = _folded_world()
        world.tell_folded(b, {"a": old.generation})
        for _ in range(6):
            world.pass_time(0.5)
            world.settle_wire(check=True)
        for node in (a, b, c):
            assert node.replica.counter(TIDE) == (5, {})
            assert old not in node.replica.digest().slots
        world.finish()

    def test_heard_twice_or_on_two_nodes_at_once_end_in_the_same_state(self) -> None:
        world, (a, b, c), old = _folded_world()
        for node in (b, c, b):
            world.tell_folded(node, {"a": old.generation})
        world.finish()
        assert a.replica.counter(TIDE) == (5, {})

    def test_are_lifted_on_disk_too(self) -> None:
        world, (_, b, _), old = _folded_world()
        world.tell_folded(b, {"a": old.generation})
        world.flush(b)
        assert (b.disk.base, b.disk.folded) == ({TIDE: 5}, {"a": old.generation})
        assert old not in b.disk.rows
        b = world.start("b", world.crash(b))
        assert b.replica.counter(TIDE) == (5, {})

    def test_that_a_crash_kept_from_the_disk_are_heard_again(self) -> None:
        world, (_, b, _), old = _folded_world()
        world.tell_folded(b, {"a": old.generation})
        world.pass_time(HEARTBEAT_S)
        b = world.start("b", world.crash(b))
        assert b.replica.counter(TIDE) == (0, {old: 5})
        world.finish()

    def test_make_a_late_replica_lift_and_count_nothing_twice(self) -> None:
        world, (a, b, c), old = _folded_world()
        world.cut_off(c)
        world.tell_folded(b, {"a": old.generation})
        world.settle()
        assert c.replica.counter(TIDE) == (0, {old: 5})
        world.count(c, TIDE)
        world.finish()
        assert a.replica.counter(TIDE) == (5, {slot_of(c): 1})

    def test_give_a_late_replica_with_half_of_a_folded_slot_the_other_half(self) -> None:
        world, (a, b, c) = _world("a", "b", "c")
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
        world.tell_folded(b, {"a": old.generation})
        world.settle()
        c = world.start("c", backup)
        assert c.replica.value(TIDE) == 2
        world.finish()
        assert c.replica.counter(TIDE) == (5, {})

    def test_make_rows_of_the_folded_slot_that_come_late_be_ignored(self) -> None:
        world, (_, b, c), old = _folded_world()
        world.tell_folded(b, {"a": old.generation})
        late = Rows(old, 0, 1, False, (Row(TIDE, 5, 1),))
        world.hand(Packet(c, b, codec.encode(late)))
        assert b.replica.counter(TIDE) == (5, {})
        world.hand(Packet(c, b, codec.encode(c.replica.digest())))
        assert not world.on_wire(Want, c)
        world.finish()

    def test_heard_of_between_a_row_and_its_write_bring_the_row_to_disk(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 5)
        world.settle_wire(write=False)
        world.tell_folded(b, {"a": slot_of(a).generation})
        world.flush(b)
        assert b.replica.value(TIDE) == 5
        world.check_disk(b)

    def test_heard_of_while_a_row_is_written_in_vain_bring_the_row_to_disk(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 5)
        world.settle_wire(write=False)
        world.begin_write(b)
        world.tell_folded(b, {"a": slot_of(a).generation})
        world.fail_write(b)
        world.flush(b)
        assert b.replica.value(TIDE) == 5
        world.check_disk(b)

    def test_heard_of_while_a_row_is_written_are_lifted_by_the_next_write(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE, 5)
        world.settle_wire(write=False)
        world.begin_write(b)
        world.tell_folded(b, {"a": slot_of(a).generation})
        world.reach_disk(b)
        world.confirm(b)
        world.flush(b)
        assert b.replica.value(TIDE) == 5
        world.check_disk(b)


class TestBase:
    def test_is_exchanged_where_folds_are_equal_and_fingerprints_differ(self) -> None:
        world, (a, b, c), old = _folded_world()
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
        world.tell_folded(b, {"a": second.generation})
        world.settle()
        d = world.start("d")
        for packet in _packets_until_caught_up(world, d):
            world.hand(packet)
        assert d.replica.value("video-3499") == 1
        assert d.replica.counter(TIDE) == (5, {})
        assert old.generation < second.generation
        world.finish()

    def test_comes_in_chunks_of_at_most_1000(self) -> None:
        world, (a, b) = _world("a", "b")
        b.replica.base.merge((f"video-{number}", 1) for number in range(2500))
        digest = b.replica.digest()
        world.hand(Packet(b, a, codec.encode(digest)))
        assert world.on_wire(WantBase, b) == [WantBase(0)]
        lengths = []
        while world.wire:
            packet = world.wire.pop(0)
            if isinstance(packet.frame, BaseRows):
                lengths.append(len(packet.frame.rows))
            world.hand(packet)
        assert lengths == [1000, 1000, 500]
        assert a.replica.base.fingerprint == b.replica.base.fingerprint

    def test_is_not_asked_for_where_fingerprints_are_equal(self) -> None:
        world, (_, b, _), old = _folded_world()
        world.tell_folded(b, {"a": old.generation})
        world.settle()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(lose=WantBase)
        assert world.lost == 0

    def test_that_nobody_asked_for_is_not_merged(self) -> None:
        world, (a, b) = _world("a", "b")
        world.hand(Packet(b, a, codec.encode(BaseRows({}, 0, 1, ((TIDE, 5),)))))
        assert a.replica.value(TIDE) == 0

    def test_of_other_folds_than_ours_is_not_merged(self) -> None:
        world, (a, b) = _world("a", "b")
        b.replica.restore(Changes(base=((TIDE, 5),)))
        world.pass_time(HEARTBEAT_S)
        while not world.on_wire(WantBase):
            world.deliver()
        world.lose_all()
        world.hand(Packet(b, a, codec.encode(BaseRows({"x": 7}, 0, 1, ((TIDE, 5),)))))
        assert a.replica.value(TIDE) == 0

    def test_that_grew_by_merging_is_written(self) -> None:
        world, (a, b) = _world("a", "b")
        b.replica.restore(Changes(base=((TIDE, 5),)))
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        changes = world.begin_write(a)
        assert changes
        assert changes.base == ((TIDE, 5),)
        world.fail_write(a)
        world.flush(a)
        assert a.disk.base == {TIDE: 5}


class TestOtherFrames:
    def test_a_second_hello_says_nothing_new(self) -> None:
        world, (a, b) = _world("a", "b")
        before = a.replica.digest()
        world.hand(Packet(b, a, codec.encode(Hello("b", b.process, ""))))
        assert a.replica.digest() == before
        assert not world.wire

    def test_a_want_for_an_unknown_slot_is_left_unanswered(self) -> None:
        world, (a, b) = _world("a", "b")
        world.hand(Packet(b, a, codec.encode(Want(Slot("z", 1), 0))))
        assert not world.wire
        assert Slot("z", 1) not in a.replica.columns

    def test_a_want_beyond_the_end_gets_an_answer_that_changes_nothing(self) -> None:
        world, (a, b) = _world("a", "b")
        world.count(a, TIDE)
        world.settle()
        before = b.replica.digest()
        for above in (1, 2, 2**53 - 1):
            world.hand(Packet(b, a, codec.encode(Want(slot_of(a), above))))
        assert [frame.rows for frame in world.on_wire(Rows, b)] == [(), (), ()]
        world.settle_wire()
        assert b.replica.digest() == before

    def test_a_want_base_beyond_the_end_gets_an_empty_answer(self) -> None:
        world, (a, b) = _world("a", "b")
        world.hand(Packet(b, a, codec.encode(WantBase(2**53 - 1))))
        assert world.on_wire(BaseRows, b) == [BaseRows({}, 2**53 - 1, 0, ())]

    def test_without_peers_nothing_is_sent(self) -> None:
        replica = _replica("a")
        replica.tick(0.0)
        sends: list[Send] = replica.tick(ALONE_S)
        replica.count(TIDE)
        changes = replica.changes()
        assert changes
        assert sends + replica.committed(changes) == []


class TestRestore:
    def test_reads_back_what_was_written_in_parts_of_any_size(self) -> None:
        world, nodes, old = _folded_world()
        chance = random.Random(7)
        for _ in range(60):
            world.count(chance.choice(nodes), f"video-{chance.randrange(9)}")
        world.settle()
        world.tell_folded(nodes[1], {"a": old.generation})
        world.settle()
        node = nodes[2]
        for size in (1, 2, 5, 1000):
            replica = _replica("c")
            for part in node.disk.read(size):
                replica.restore(part)
            assert replica.fingerprint() == node.replica.fingerprint()
            said = node.replica.digest()
            assert replica.digest() == said._replace(slot=None, alive={})
            assert replica.changes() is None

    def test_columns_are_bounded_over_any_number_of_restarts(self) -> None:
        world, (a, b) = _world("a", "b")
        for _ in range(20):
            world.count(a, TIDE)
            world.settle()
            old = slot_of(a)
            world.pass_time(1)
            a = world.start("a", world.crash(a))
            world.settle()
            world.tell_folded(b, {"a": old.generation})
            world.settle()
        assert len(a.replica.columns) <= 2
        assert len(b.replica.columns) <= 2
        assert len(b.disk.rows) <= 2
        world.finish()
