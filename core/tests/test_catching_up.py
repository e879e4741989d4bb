"""Core to core: a replica that loses frames, starts late or receives chunks gets all rows."""

import random
from dataclasses import replace

import pytest
from ratchet import codec
from ratchet.cluster import HEARTBEAT_S
from ratchet.column import Row
from ratchet.frames import MAX_ROWS, Extent, Rows, Send, Want
from ratchet.replica import Replica
from ratchet.slot import Slot
from ratchet.tenure import ALONE_S
from ratchet.transfers import ASK_AGAIN_S
from small_world import (
    TIDE,
    Packet,
    World,
    claim,
    meet,
    packets_until_caught_up,
    single,
    slot_of,
    wanted,
)


class TestGaps:
    def test_rows_after_lost_ones_are_dropped_and_all_are_requested(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.lose_all()
        world.count(a, "moss")
        world.deliver()
        assert b.replica.table.value("moss") == 0
        assert claim(b, slot_of(a)) == 0
        assert wanted(world, a) == [(slot_of(a), 0)]
        world.settle_wire()
        assert (b.replica.table.value(TIDE), b.replica.table.value("moss")) == (1, 1)

    def test_pushes_while_rows_are_requested_cause_no_second_request(self) -> None:
        # Otherwise each push during a transfer would bring the same thousand rows once more.
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.lose_all()
        for _ in range(10):
            world.count(a, "moss")
        while world.on_wire(Rows, b):
            world.deliver(next(at for at, p in enumerate(world.wire) if p.receiver is b))
        assert wanted(world, a) == [(slot_of(a), 0)]

    def test_a_request_without_an_answer_is_sent_again(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(lose=Want)
        assert world.lost == 1
        world.pass_time(ASK_AGAIN_S)
        world.settle_wire()
        assert b.replica.table.value(TIDE) == 1

    def test_a_request_to_a_peer_that_left_goes_to_another_at_its_next_digest(self) -> None:
        world, (a, b, c) = meet("a", "b", "c")
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
        assert c.replica.table.value(TIDE) == 1
        assert b.alive

    def test_old_and_doubled_frames_change_nothing(self) -> None:
        world, (a, b) = meet("a", "b")
        frames = []
        for _ in range(4):
            world.count(a, TIDE)
            frames += [packet for packet in world.wire if isinstance(packet.frame, Rows)]
            world.settle()
        before = (b.replica.table.fingerprint(), b.replica.table.value(TIDE))
        for packet in [*frames, *reversed(frames)]:
            world.receive(packet)
            assert (b.replica.table.fingerprint(), b.replica.table.value(TIDE)) == before
        assert b.replica.changes() is None

    @pytest.mark.parametrize("seed", range(10))
    def test_a_wire_that_loses_doubles_and_reorders_delivers_everything_in_the_end(
        self, seed: int
    ) -> None:
        chance = random.Random(seed)
        world, nodes = meet("a", "b", "c")
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
    def test_of_a_slot_with_two_rows_of_one_seq_gets_both(self) -> None:
        # The memory of a process was set back (a snapshot of its machine): it numbers other changes
        # with seqs that it has used, and its peers have both.
        world, (a, b) = meet("a", "b")
        old = slot_of(a)
        for video, seq in (("tide", 1), ("moss", 1), ("fern", 2)):
            world.receive(Packet(a, b, codec.encode(Rows(old, 0, 2, False, (Row(video, 3, seq),)))))
        world.flush(b)
        world.start("c")
        for _ in range(5):
            world.pass_time(HEARTBEAT_S)
            world.settle_wire()
        c = world.alive()[-1]
        assert [c.replica.table.value(video) for video in ("tide", "moss", "fern")] == [3, 3, 3]
        assert claim(c, old) == 2

    def test_confirms_rows_that_a_peer_waits_for_also_after_a_heartbeat(self) -> None:
        world, (a, b) = meet("a", "b")
        world.count(a, TIDE)
        world.lose_all()
        a.replica.count("moss")
        changes = a.replica.changes(confirm=True)
        assert changes
        a.disk.write(changes)
        world.send(a, a.replica.committed(changes))
        world.deliver()  # It doesn't fit: b asks for what is missing. Then comes a heartbeat.
        b.replica.tick(world.now + HEARTBEAT_S)
        world.settle_wire()
        assert a.replica.holdings.shared(a.replica.holdings.own_seqs())

    def test_of_3500_rows_gets_each_chunk_once_and_from_one_peer(self) -> None:
        world, (a, b) = meet("a", "b")
        for number in range(3500):
            a.replica.count(f"video-{number}", number % 7 + 1)
        world.flush(a)
        world.settle()
        c = world.start("c")
        assert not c.replica.talk.caught_up()
        chunks = []
        for packet in packets_until_caught_up(world, c):
            if packet.receiver is c and isinstance(packet.frame, Rows):
                chunks.append((packet.sender, packet.frame))
            world.receive(packet)
        assert [len(frame.rows) for _, frame in chunks] == [1000, 1000, 1000, 500]
        assert len({sender.process for sender, _ in chunks}) == 1
        assert [(f.start, f.more) for _, f in chunks] == [
            (0, True), (1000, True), (2000, True), (3000, False)
        ]  # fmt: skip
        world.finish()
        assert [each.replica.table.value("video-3499") for each in (b, c)] == [3499 % 7 + 1] * 2

    def test_requests_the_next_chunk_while_the_last_is_written_and_claims_all_at_the_end(
        self,
    ) -> None:
        world, (a, b) = meet("a", "b")
        for number in range(2 * MAX_ROWS + 1):
            a.replica.count(f"video-{number}")
        world.flush(a)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        # No third one, as nothing is on disk yet.
        last = f"video-{2 * MAX_ROWS}"
        assert b.replica.table.value(f"video-{MAX_ROWS}") == 1
        assert b.replica.table.value(last) == claim(b, slot_of(a)) == 0
        world.flush(b)
        assert b.replica.table.value(last) == claim(b, slot_of(a)) == 0
        assert b.replica.digest().slots[slot_of(a)].fingerprint is None, (
            "more rows are on their way"
        )
        assert wanted(world, a) == [(slot_of(a), 2 * MAX_ROWS)]
        world.settle_wire()
        assert claim(b, slot_of(a)) == 2 * MAX_ROWS + 1
        world.finish()

    def test_a_large_push_is_sent_in_frames_of_at_most_1000_rows(self) -> None:
        world, (a, b) = meet("a", "b")
        for number in range(2500):
            a.replica.count(f"video-{number}")
        world.flush(a)
        frames = world.on_wire(Rows, b)
        assert [(f.start, f.complete, len(f.rows)) for f in frames] == [
            (0, 1000, 1000), (1000, 2000, 1000), (2000, 2500, 500)
        ]  # fmt: skip
        world.finish()

    def test_whose_source_dies_before_the_end_claims_no_more_than_it_received(self) -> None:
        # A row that a later one has replaced is not in the chunk of its own seq. If the source dies
        # before it sends the later one, another peer must send the earlier one.
        world, (a, b, c) = meet("a", "b", "c")
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
        assert b.replica.table.value(TIDE) == 1
        assert c.replica.table.value(TIDE) == 1
        world.assert_equal()

    def test_whose_chunk_is_not_on_disk_yet_is_not_in_the_digest(self) -> None:
        world, (a, b) = meet("a", "b")
        for number in range(MAX_ROWS + 1):
            a.replica.count(f"video-{number}")
        world.flush(a)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        assert b.replica.table.value("video-0") == 1
        world.crash(a)
        world.pass_time(ASK_AGAIN_S)
        world.check(b)
        world.begin_write(b)
        world.check(b)
        world.fail_write(b)
        world.check(b)
        world.flush(b)
        world.check(b)

    def test_whose_source_dies_before_the_end_passes_on_the_rows_it_received(self) -> None:
        # Nobody claims these rows. But the fingerprints show that b and c have different ones.
        world, (a, b, c) = meet("a", "b", "c")
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
        assert (claim(b, slot_of(a)), claim(c, slot_of(a))) == (0, 0)
        assert b.replica.table.value("video-0") == c.replica.table.value("video-0") == 1
        world.assert_equal()

    def test_is_not_done_when_the_peer_that_had_more_is_gone(self) -> None:
        world, (a, b) = meet("a", "b")
        world.cut(a, b)
        world.count(a, TIDE)
        world.heal()
        while not b.replica.peers.by_process[a.process].digest:
            world.deliver()
        world.cut(a, b)
        # People have seen the peer's number; to show less would be to fall.
        assert not b.replica.talk.caught_up()
        world.heal()
        world.settle()
        assert b.replica.talk.caught_up()

    def test_from_a_peer_that_claims_as_much_and_has_other_rows_begins_not_at_each_digest(
        self,
    ) -> None:
        world = World()
        a, b = world.start("a"), world.start("b")
        world.settle()
        world.count(a, TIDE)
        world.settle()
        # A transfer to b has broken off: b has more than it claims.
        z = Slot("z", 1)
        for node, rows in ((a, ()), (b, (Row("moss", 1, 5),))):
            other = b if node is a else a
            frame = Rows(z, 0, 9, bool(rows), rows) if rows else Rows(z, 0, 0, False, ())
            world.receive(Packet(other, node, codec.encode(frame)))
            world.flush(node)
        digest = a.replica.digest()
        wants = []
        for _ in range(3):
            world.lose_all()
            world.now += ASK_AGAIN_S / 2
            world.receive(Packet(a, b, codec.encode(replace(digest, slots={z: Extent(0, 0)}))))
            wants += world.on_wire(Want, a)
            world.lose_all()
            # The answer has no row that b lacks.
            for want in wants[-1:]:
                answer = Rows(z, 0, 0, False, (), answers=want.number)
                world.receive(Packet(a, b, codec.encode(answer)))
        assert len(wants) == 1
        assert b.replica.digest().slots[z].fingerprint is not None

    def test_is_not_ended_by_a_late_push_that_begins_where_the_next_chunk_does(self) -> None:
        world = World(chunk=2)
        a, b = world.start("a"), world.start("b")
        world.settle()
        world.cut(a, b)
        for video in (TIDE, "moss", "fern", "reef", "fern"):
            world.count(a, video)
        late = Rows(slot_of(a), 2, 7, False, (Row("dune", 1, 6), Row("kelp", 1, 7)))
        world.heal()
        while claim(b, slot_of(a)) == 0 and "moss" not in b.replica.table.videos():
            world.deliver()
        world.flush(b)
        # a sent it before the awaited chunk, when the rows that b lacks had got a higher seq.
        world.receive(Packet(a, b, codec.encode(late)))
        world.flush(b)
        assert claim(b, slot_of(a)) == 0

    def test_ignores_answers_to_an_earlier_process_of_the_node(self) -> None:
        world = World(chunk=2)
        a, b = world.start("a"), world.start("b")
        world.settle()
        world.cut(a, b)
        for video in (TIDE, "moss", "fern", "reef"):
            world.count(a, video)
        world.heal()
        old = []
        while claim(b, slot_of(a)) == 0:
            old += [frame for frame in world.on_wire(Rows, b) if frame not in old]
            world.deliver()
            world.flush(b)
        b = world.start("b", world.crash(b) and None)
        world.deliver(next(at for at, p in enumerate(world.wire) if p.receiver is b))
        for frame in old:
            world.receive(Packet(a, b, codec.encode(frame)))
            world.flush(b)
        assert claim(b, slot_of(a)) == 0

    @pytest.mark.parametrize("takes_s", [2.1, 2.5, 3.7])
    def test_over_a_link_slower_than_the_wait_for_an_answer_ends_all_the_same(
        self, takes_s: float
    ) -> None:
        a, b = single("a", chunk=2), single("b", chunk=2)
        for replica in (a, b):
            replica.tick(0.0)
            replica.tick(ALONE_S)
        for number in range(9):
            a.count(f"video-{number}")
        if changes := a.changes():
            a.committed(changes)
        a.joined(b.me)
        b.joined(a.me)
        # Frames on their way: when they arrive, and at which replica.
        wire: list[tuple[float, Replica, Send]] = []
        now = ALONE_S
        while now < 60.0 and b.table.fingerprint() != a.table.fingerprint():
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
        assert b.table.fingerprint() == a.table.fingerprint()

    def test_is_not_done_before_every_peer_has_sent_a_digest(self) -> None:
        world, (a, _b) = meet("a", "b")
        world.count(a, TIDE)
        world.settle()
        c = world.start("c")
        assert not c.replica.talk.caught_up()
        while c.replica.table.value(TIDE) == 0:
            world.deliver()
        world.settle()
        assert c.replica.talk.caught_up()

    def test_spreads_the_last_rows_of_a_crashed_node_from_any_node_that_has_them(self) -> None:
        world, (a, b, c) = meet("a", "b", "c")
        world.cut(a, c)
        world.cut(b, c)
        for _ in range(3):
            world.count(a, TIDE)
        world.settle()
        world.crash(a)
        world.heal()
        world.settle()
        world.assert_equal()
        assert b.replica.table.value(TIDE) == c.replica.table.value(TIDE) == 3

    def test_spreads_rows_that_are_not_on_disk_yet_too(self) -> None:
        world, (a, b, c) = meet("a", "b", "c")
        world.cut(a, c)
        world.count(a, TIDE)
        world.deliver()  # The push to b, which b doesn't write yet.
        assert b.replica.table.value(TIDE) == 1
        world.receive(Packet(c, b, codec.encode(Want(slot_of(a), 0))))
        assert [frame.complete for frame in world.on_wire(Rows, c)] == [1]

    def test_split_brain_counts_on_both_sides_and_is_equal_after_healing(self) -> None:
        world, (a, b, c) = meet("a", "b", "c")
        world.cut_off(c)
        for node, views in ((a, 2), (b, 3), (c, 4)):
            world.count(node, TIDE, views)
        world.settle()
        assert [node.replica.table.value(TIDE) for node in (a, b, c)] == [5, 5, 4]
        world.finish()
        assert c.replica.table.value(TIDE) == 9
