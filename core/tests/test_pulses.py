"""Pulses: a digest in a few words, which its receivers understand or ask for."""

from dataclasses import replace

import pytest
from ratchet.cluster import HEARTBEAT_S
from ratchet.frames import NOTHING, Alive, Ask, Digest, Have, Hello, Pulse, Rows, Send, Versions
from ratchet.generations import Generations
from ratchet.options import DEFAULTS
from ratchet.peers import FRESH_S
from ratchet.pulses import MAX_ANSWERS, hash_of, rest
from small_world import TIDE, Node, Packet, World, slot_of, slots


def brief(*names: str, grace_s: float = 3600.0) -> tuple[World, list[Node]]:
    """A quiet world of nodes that send pulses."""
    world = World(max_whole=0, grace_s=grace_s)
    return world, world.meet(*names)


def beat(world: World, seconds: float = HEARTBEAT_S) -> None:
    """One heartbeat of all, and everything that follows from it."""
    world.pass_time(seconds)
    world.settle_wire()


def pulse_of(world: World, node: Node) -> Pulse:
    """What `node` says at its next heartbeat. The wire is empty otherwise."""
    world.lose_all()
    world.now += HEARTBEAT_S
    world.send(node, node.replica.tick(world.now))
    (pulse, *_) = world.on_wire(Pulse)
    world.lose_all()
    return pulse


class TestSaying:
    def test_a_small_digest_is_sent_whole(self) -> None:
        world = World(max_whole=DEFAULTS.max_whole)
        world.meet("a", "b")
        world.pass_time(HEARTBEAT_S)
        assert len(world.on_wire(Digest)) == 2
        assert not world.on_wire(Pulse)

    def test_in_a_quiet_cluster_nothing_but_pulses_flows(self) -> None:
        world, _ = brief("a", "b", "c")
        for _ in range(3):
            world.pass_time(HEARTBEAT_S)
            assert len(world.on_wire(Pulse)) == len(world.wire) == 6
            world.settle_wire()

    def test_and_while_all_count(self) -> None:
        world, nodes = brief("a", "b", "c")
        for _ in range(5):
            for node in nodes:
                world.count(node, TIDE)
            world.settle_wire()
            world.pass_time(HEARTBEAT_S)
            assert not world.on_wire(Ask) + world.on_wire(Digest)
            world.settle_wire()
            assert not any(peer.riddle for node in nodes for peer in node.replica.peers)
        world.finish()

    def test_all_that_know_the_same_share_one_rest(self) -> None:
        world, nodes = brief("a", "b", "c", "d")
        assert len({pulse_of(world, node).rest for node in nodes}) == 1
        for node in nodes:
            assert len({id(peer.digest) for peer in node.replica.peers}) == 1

    def test_a_node_that_has_a_peer_of_an_older_version_sends_digests(self) -> None:
        world, (a, _) = brief("a", "b")
        old = Hello("o", "0" * 16, "", Versions(1, 2))
        a.replica.joined(old)
        world.now += HEARTBEAT_S
        assert {type(frame) for _, frame in a.replica.tick(world.now)} == {Digest}
        a.replica.left(old.process)
        assert pulse_of(world, a).slot == slot_of(a)

    def test_news_of_a_closing_is_told_in_a_digest(self) -> None:
        world, (a, _, c) = brief("a", "b", "c")
        world.crash(c)
        world.settle()
        a.replica.cluster.retire("c")
        assert Digest in {type(frame) for _, frame in a.replica.tick(world.now)}


class TestTheRest:
    def test_names_its_sender_among_the_living(self) -> None:
        me = Hello("a", "0" * 16, "http://a:1")
        empty = Digest(None, {}, Generations(), Generations(), Generations(), {}, 0, {})
        assert rest(empty, me).alive == {me.process: Alive("a", None, "http://a:1")}

    def test_leaves_out_what_others_say_of_their_own_slots(self) -> None:
        world, (a, b) = brief("a", "b")
        before = hash_of(rest(a.replica.digest(), a.replica.me))
        world.count(a, TIDE)
        world.settle_wire()
        assert rest(b.replica.digest(), b.replica.me).slots == {}
        assert hash_of(rest(a.replica.digest(), a.replica.me)) == before

    def test_has_the_slots_of_those_who_are_gone_and_the_closed_ones(self) -> None:
        world, (a, b, c) = brief("a", "b", "c")
        world.count(c, TIDE)
        world.count(b, TIDE)
        world.settle()
        old_b, slot_c = slot_of(b), slot_of(c)
        world.crash(c)
        world.start("b", world.crash(b))
        world.settle()
        assert {*rest(a.replica.digest(), a.replica.me).slots} == {slot_c, old_b}

    @pytest.mark.parametrize("field", ["newest", "closed", "folded", "slots", "alive", "cluster"])
    def test_is_another_if_anything_in_it_is(self, field: str) -> None:
        world, (a, _, c) = brief("a", "b", "c")
        world.count(c, TIDE)
        world.settle()
        world.crash(c)
        world.settle()
        a.replica.cluster.retire("c")
        it = rest(a.replica.digest(), a.replica.me)
        changed = {
            "newest": replace(it, newest=Generations({**it.newest, "z": 1})),
            "closed": replace(it, closed=Generations(c=it.closed["c"] - 1)),
            "folded": replace(it, folded=Generations(c=it.closed["c"])),
            "slots": replace(it, slots=dict.fromkeys(it.slots, NOTHING)),
            "alive": replace(it, alive={}),
            "cluster": replace(it, cluster=("f" * 16,)),
        }
        assert hash_of(changed[field]) != hash_of(it)


class TestUnderstanding:
    def test_who_does_not_know_the_rest_asks_for_it_at_its_next_heartbeat(self) -> None:
        world, (a, b) = brief("a", "b")
        a.replica.journal.join({"z": 5})
        pulse = pulse_of(world, a)
        assert b.replica.receive(pulse, a.process, world.now) == []
        assert b.replica.peers.by_process[a.process].evidence(world.now) is None
        assert Send(a.process, Ask()) in b.replica.tick(world.now + 1)
        world.settle()
        assert b.replica.table.newest["z"] == 5
        assert b.replica.peers.by_process[a.process].evidence(world.now)

    def test_who_meets_somebody_asks_at_once(self) -> None:
        world, _ = brief("a", "b")
        c = world.start("c")
        while not world.on_wire(Pulse, c):
            world.pass_time(HEARTBEAT_S / 4)
            world.wire = [packet for packet in world.wire if packet.receiver is c]
        world.settle_wire(write=False)
        assert c.replica.counting

    def test_of_many_that_say_the_same_one_is_asked(self) -> None:
        world, nodes = brief(*"abcdef")
        a, *others = nodes
        for other in others:
            other.replica.journal.join({"z": 5})
        world.pass_time(HEARTBEAT_S)
        for _ in range(len(world.wire)):
            world.deliver()
        world.lose_all()
        a.replica.journal.join({"y": 5})
        asks = [frame for _, frame in a.replica.tick(world.now + 1) if isinstance(frame, Ask)]
        assert len(asks) == 1

    def test_who_is_asked_by_many_answers_some_and_then_all_at_once(self) -> None:
        world, (a, b) = brief("a", "b")
        answers = [a.replica.receive(Ask(), b.process, world.now) for _ in range(20)]
        assert [len(sends) for sends in answers] == [1] * MAX_ANSWERS + [0] * (20 - MAX_ANSWERS)
        assert isinstance(a.replica.tick(world.now + 1)[0].frame, Digest)
        assert isinstance(a.replica.tick(world.now + 2)[0].frame, Pulse)

    def test_an_older_pulse_or_a_copy_changes_nothing(self) -> None:
        world, (a, b) = brief("a", "b")
        older = pulse_of(world, a)
        world.count(a, TIDE)
        world.lose_all()
        world.settle()
        peer = b.replica.peers.by_process[a.process]
        said, at = peer.own, peer.digest_at
        assert said.durable == 1
        assert b.replica.receive(older, a.process, world.now + 1) == []
        assert (peer.own, peer.digest_at) == (said, at)

    def test_not_even_after_a_reconnection(self) -> None:
        world, (a, b) = brief("a", "b")
        older = replace(a.replica.digest(), number=1)
        world.cut(a, b)
        world.heal()
        assert b.replica.receive(older, a.process, world.now) == []
        assert b.replica.peers.by_process[a.process].digest is None

    def test_no_evidence_is_older_than_some_seconds(self) -> None:
        world, (a, b) = brief("a", "b")
        peer = b.replica.peers.by_process[a.process]
        assert peer.evidence(world.now + FRESH_S - 2)
        assert peer.evidence(world.now + FRESH_S + 1) is None


class TestWhatIsLeftOut:
    def test_a_lost_push_is_asked_for_at_the_owner(self) -> None:
        world, (a, b, c) = brief("a", "b", "c")
        world.count(a, TIDE)
        world.lose_all()
        beat(world)
        assert [b.replica.table.value(TIDE), c.replica.table.value(TIDE)] == [1, 1]

    def test_the_last_rows_of_a_crashed_node_spread(self) -> None:
        world, (a, b, c) = brief("a", "b", "c")
        world.count(a, TIDE)
        world.wire = [packet for packet in world.wire if packet.receiver is b]
        world.settle_wire()
        world.crash(a)
        world.settle()
        assert c.replica.table.value(TIDE) == 1

    def test_rows_pass_through_a_node_in_between(self) -> None:
        world, (a, _, c) = brief("a", "b", "c")
        world.cut(a, c)
        world.count(a, TIDE)
        world.count(c, "moss")
        world.settle()
        assert c.replica.table.value(TIDE) == a.replica.table.value("moss") == 1

    def test_rows_of_an_owner_that_does_not_answer_come_from_another(self) -> None:
        world, (a, b, c) = brief("a", "b", "c")
        world.count(a, TIDE)
        world.wire = [packet for packet in world.wire if packet.receiver is b]
        world.settle_wire()
        for _ in range(14):
            world.pass_time(HEARTBEAT_S)
            for node in world.alive():
                world.flush(node)
            while world.wire:  # a hears nothing.
                world.deliver() if world.wire[0].receiver is not a else world.wire.pop(0)
        assert c.replica.table.value(TIDE) == 1

    def test_a_confirmation_that_was_lost_is_asked_for_again(self) -> None:
        world, (a, _) = brief("a", "b")
        a.replica.count(TIDE, 1)
        changes = a.replica.changes(confirm=True)
        assert changes
        a.writing = changes
        world.reach_disk(a)
        world.confirm(a)
        world.settle_wire(lose=Rows)
        seqs = a.replica.holdings.own_seqs()
        assert not a.replica.holdings.shared(seqs)
        beat(world)
        beat(world)
        assert a.replica.holdings.shared(seqs)
        beat(world)
        assert not world.on_wire(Have)

    def test_an_owner_that_has_less_of_its_slot_than_others_goes_on_in_a_new_one(self) -> None:
        world, (a, b) = brief("a", "b")
        world.count(a, TIDE)
        world.settle()
        old = slot_of(a)
        less = replace(pulse_of(world, a), extent=NOTHING)
        world.send(b, b.replica.receive(less, a.process, world.now))
        assert len(world.on_wire(Digest, a)) == 1
        column = a.replica.table.columns[old]
        column.complete = column.durable = 0  # As if its memory were set back.
        world.settle_wire()
        assert slot_of(a) != old

    def test_how_far_a_peer_is_behind_it_says_itself(self) -> None:
        world, (a, b, c) = brief("a", "b", "c")
        world.cut(a, b)
        for _ in range(3):
            world.count(c, TIDE)
        world.wire = [packet for packet in world.wire if packet.receiver is a]
        world.settle_wire(write=False)
        world.pass_time(HEARTBEAT_S)
        world.wire = [p for p in world.wire if isinstance(p.frame, Pulse)]
        own = [Packet(p.sender, p.receiver, p.text) for p in world.wire if p.sender is c]
        others = [p for p in world.wire if p.sender is not c]
        world.wire = own
        for _ in range(len(own)):
            world.deliver()
        assert others
        pulse = pulse_of(world, b)
        assert pulse.lacks == 3
        c.replica.receive(pulse, b.process, world.now)
        assert c.replica.holdings.behind(b.process) == 3


class TestFolding:
    def test_an_old_slot_is_folded_by_pulses_alone(self) -> None:
        world, (a, _, _) = brief("a", "b", "c", grace_s=60.0)
        world.count(a, TIDE, 5)
        world.settle()
        old = slot_of(a)
        world.start("a", world.crash(a))
        world.settle()
        world.pass_time(55)
        world.settle_wire()
        for _ in range(12):
            world.pass_time(HEARTBEAT_S)
            for node in world.alive():
                world.flush(node)
            world.settle_wire()
        assert old not in slots(world)
        assert {node.replica.table.base.views(TIDE) for node in world.alive()} == {5}
        world.finish()

    def test_a_peer_whose_pulse_is_not_understood_is_in_the_way(self) -> None:
        world, (a, b, c) = brief("a", "b", "c", grace_s=60.0)
        world.count(a, TIDE, 5)
        world.settle()
        a = world.start("a", world.crash(a))
        world.settle()
        c.replica.journal.join({"z": 5}, closed={"z": 5})
        pulse = pulse_of(world, c)
        world.now += 61
        for node in (a, c):
            world.send(node, node.replica.tick(world.now))
        world.settle_wire(lose=Ask)
        b.replica.receive(replace(pulse, number=pulse.number + 10**9), c.process, world.now)
        (fold, *_) = b.replica.observe().folds
        assert ("unaware", "c") in {(it.kind, it.node) for it in fold.obstacles}
