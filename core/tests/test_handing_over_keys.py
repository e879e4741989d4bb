"""Who leaves hands over its pending views and the keys that it has counted, and says farewell. No
frame that is late, and no crash, doubles or loses a view."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from ratchet import retries
from ratchet.frames import (
    HANDOVER_SINCE,
    MAX_ROWS,
    AskKeys,
    Digest,
    Farewell,
    Frame,
    Pulse,
    Rows,
    Send,
    TellKeys,
    Versions,
)
from ratchet.handover import Handover
from ratchet.retries import Fate
from small_world import TIDE, Node, Packet, World, counts, slot_of

KEY = "00000000-0000-7000-8000-000000000001"
OTHER = "00000000-0000-7000-8000-000000000002"


@pytest.fixture
def world() -> World:
    return World(grace_s=60.0)


@pytest.fixture
def nodes(world: World) -> list[Node]:
    return world.meet_well("a", "b", "c")


def deliver_but(world: World, held: Callable[[Packet], bool]) -> list[Packet]:
    """Deliver everything on the wire, but for what is held. Returns that."""
    kept: list[Packet] = []
    while world.wire:
        if held(world.wire[0]):
            kept.append(world.wire.pop(0))
            continue
        world.deliver()
        for node in world.alive():
            world.flush(node)
    return kept


def is_to(receiver: Node, *kinds: type[Frame]) -> Callable[[Packet], bool]:
    return lambda packet: packet.receiver is receiver and isinstance(packet.frame, kinds)


def test_who_took_over_waits_for_the_next_process_of_who_did_not_know(
    world: World, nodes: list[Node]
) -> None:
    a, b, c = nodes
    world.cut(a, c)
    world.retry(a, KEY)
    world.settle_wire()
    world.cut(b, c)
    a.replica.leave()
    for _ in range(3):
        world.pass_time(1.0)
        world.flush(a)
        deliver_but(world, is_to(a, TellKeys))
    # `b` has taken it over, and `a` is killed before it hears that. Its next process counts it.
    assert b.disk.pending[KEY].behind
    again = world.start("a", world.crash(a))
    while not world.truth[TIDE]:
        world.pass_time(1.0)
        world.flush(again)
        deliver_but(world, is_to(b, TellKeys, Rows))
    assert KEY in b.disk.pending
    world.crash(again)
    world.heal()
    world.pass_quietly(20)
    assert world.truth[TIDE] == 1


def test_who_leaves_believes_no_answer_from_before_that(world: World, nodes: list[Node]) -> None:
    a, b, c = nodes
    world.cut_off(c)
    world.retry(a, KEY)
    world.settle_wire()
    world.retry(b, KEY)
    # `a` says that the view is pending there, and that is late. Then `a` hands it over to `b`.
    late = deliver_but(world, is_to(b, TellKeys))
    a.replica.leave()
    for _ in range(12):
        world.pass_time(0.25)
        world.settle_wire()
        world.flush(a)
    assert KEY not in a.disk.pending
    b.replica.leave()
    world.pass_time(0.25)
    world.flush(b)
    world.lose_all()
    world.wire += late
    world.settle_wire()
    assert KEY in b.disk.pending


def test_who_leaves_takes_nothing_over(world: World, nodes: list[Node]) -> None:
    a, b, c = nodes
    world.cut_off(c)
    world.retry(a, KEY)
    world.settle_wire()
    world.retry(b, KEY)
    world.settle_wire()
    for node in (a, b):
        node.replica.leave()
        node.replica.retries.leave()
        world.flush(node)
    # Neither has heard yet that the other leaves.
    world.lose_all()
    for node in (a, b):
        world.send(node, node.replica.retries.beat(0))
    world.settle_wire()
    assert KEY in a.disk.pending
    assert KEY in b.disk.pending


def takers(world: World, seconds: int) -> set[str]:
    """The nodes that are asked for keys in this time. Nobody gets the questions."""
    asked = set[str]()
    for _ in range(seconds):
        world.pass_time(1.0)
        asked |= {packet.receiver.name for packet in world.wire if is_question(packet)}
        deliver_but(world, is_question)
    return asked


def is_heartbeat(packet: Packet) -> bool:
    return isinstance(packet.frame, Digest | Pulse)


def is_question(packet: Packet) -> bool:
    return isinstance(packet.frame, AskKeys)


def test_each_who_stays_is_asked_in_turn_to_take_over(world: World, nodes: list[Node]) -> None:
    a = nodes[0]
    (d,) = world.meet("d")
    world.crash(d)
    assert world.retry(a, KEY) is Fate.PENDING
    a.replica.leave()
    world.pass_time(1.0)
    deliver_but(world, is_question)
    assert takers(world, 4) == {"b", "c"}


def test_a_view_that_counts_while_its_node_leaves_is_no_longer_pending(
    world: World, nodes: list[Node]
) -> None:
    a, b, c = nodes
    world.cut(a, c)
    world.retry(a, KEY)
    world.settle_wire()
    world.heal()
    while KEY not in (a.writing.counted if a.writing else ()):
        if a.writing:
            world.reach_disk(a)
            world.confirm(a)
        world.pass_time(0.25)
        while world.wire:
            world.deliver()
            for node in (b, c):
                world.flush(node)
        world.begin_write(a)
    a.replica.retries.leave()
    world.reach_disk(a)
    world.confirm(a)
    world.flush(a)
    assert a.disk.pending == {}


def test_a_write_that_fails_while_its_node_leaves_keeps_the_view(
    world: World, nodes: list[Node]
) -> None:
    a, _, c = nodes
    world.cut(a, c)
    world.retry(a, KEY)
    world.settle_wire()
    a.replica.retries.leave()
    world.begin_write(a)
    world.fail_write(a)
    world.flush(a)
    assert a.disk.pending[KEY].behind


def test_who_takes_over_waits_behind_rivals_although_its_promise_has_expired(
    world: World, nodes: list[Node]
) -> None:
    a, b, c = nodes
    for node in (b, c):
        node.unmet = 1
    world.pass_quietly(2)
    world.retry(b, KEY)
    world.retry(c, KEY)
    world.settle_wire()
    world.pass_quietly(3)
    assert a.disk.keys.pop(KEY) is None
    c.replica.leave()
    world.pass_quietly(3)
    assert c.disk.pending == {}
    b.unmet = 0
    world.pass_quietly(20)
    assert world.truth[TIDE] == 1


def leaving(world: World, node: Node) -> Handover:
    """`node` leaves, and all know that. What it hands over."""
    node.replica.leave()
    world.pass_quietly(3)
    return node.replica.retries.handover


class TestPendingViews:
    """Who leaves gives them to somebody who stays."""

    def test_hands_pending_views_over(self, world: World, nodes: list[Node]) -> None:
        a, b, c = nodes
        world.cut(a, c)
        world.retry(b, KEY)
        world.retry(a, OTHER)
        world.settle_wire()
        assert a.replica.retries.pending.keys() == {OTHER}
        world.leave(a)
        assert a.disk.pending == {}
        assert counts(world) == 2
        assert c.replica.retries.pending == {}

    def test_who_takes_over_need_not_wait_for_the_grace_of_who_left(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        disk = world.crash(a)
        world.pass_quietly(3)
        world.retry(b, KEY)
        world.settle_wire()
        assert c.disk.keys == {KEY: None}
        world.leave(b)
        world.lose_all()
        world.pass_quietly(3)
        assert c.replica.retries.pending.keys() == {KEY}
        world.start("a", disk)
        world.pass_quietly(10)
        assert world.truth[TIDE] == 1
        assert world.now < 50

    def test_does_not_call_them_counted(self, world: World, nodes: list[Node]) -> None:
        a, _, c = nodes
        world.cut(a, c)
        world.retry(a, KEY)
        world.leave(a)
        assert a.disk.pending == {}
        assert a.replica.retries.outcomes == {}

    def test_hands_nothing_to_a_node_that_has_no_room(
        self, world: World, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a, b, c = nodes
        world.cut(a, c)
        world.retry(a, KEY)
        monkeypatch.setattr(retries, "MAX_PENDING", 0)
        a.replica.leave()
        world.pass_quietly(3)
        assert a.replica.unshared() > 0
        monkeypatch.setattr(retries, "MAX_PENDING", 1)
        world.pass_quietly(3)
        assert a.replica.unshared() == 0
        assert KEY in {**b.replica.retries.pending, **b.disk.keys}
        assert KEY not in c.replica.retries.pending

    def test_with_nobody_to_hand_over_to_keeps_them(self, world: World, nodes: list[Node]) -> None:
        a = nodes[0]
        world.cut_off(a)
        world.retry(a, KEY)
        a.replica.leave()
        world.pass_quietly(5)
        assert a.replica.unshared() > 0
        disk = world.crash(a)
        assert disk.pending[KEY].behind
        world.heal()
        world.start("a", disk)
        assert counts(world) == 1


class TestKeysThatHaveCounted:
    """Who leaves tells another process of them: its disk goes with it."""

    def test_count_no_second_time(self, world: World, nodes: list[Node]) -> None:
        a, b, c = nodes
        assert world.view(a, KEY) is Fate.NEW
        world.leave(a)
        assert KEY in {**b.disk.keys, **c.disk.keys}
        world.retry(b, KEY)
        world.retry(c, KEY)
        world.pass_quietly(100)
        assert {**b.disk.pending, **c.disk.pending} == {}
        assert world.truth[TIDE] == 1

    def test_settle_a_view_that_is_pending_where_they_go(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        world.view(a, KEY)
        world.cut_off(c)
        world.cut(a, b)
        assert world.retry(b, KEY) is Fate.PENDING
        world.cuts.discard(frozenset((a.process, b.process)))
        world.connect(a, b)
        # Its question to `a` is lost.
        world.wire = [packet for packet in world.wire if not isinstance(packet.frame, AskKeys)]
        world.leave(a)
        assert b.disk.pending == {}
        assert b.replica.retries.outcomes == {KEY: 0}

    def test_are_known_to_those_who_had_promised_them(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        world.view(a, KEY)
        world.cut(a, c)
        assert world.retry(c, KEY) is Fate.PENDING
        world.settle_wire()
        assert b.disk.keys[KEY] is None
        world.leave(a)
        assert b.disk.keys[KEY] == TIDE
        # `c` has asked `b` before, and never asks `a`.
        world.pass_quietly(100)
        assert c.disk.pending == {}
        assert world.truth[TIDE] == 1

    def test_are_asked_for_again_when_their_node_is_back_on_an_empty_disk(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        world.view(a, KEY)
        world.cut(a, c)
        assert world.retry(c, KEY) is Fate.PENDING
        world.settle_wire()
        assert b.disk.keys[KEY] is None
        world.leave(a)
        world.start("a")
        # `b` had promised the key before it took it over, and the new `a` has never seen it.
        world.pass_quietly(20)
        assert c.disk.pending == {}
        assert world.truth[TIDE] == 1

    def test_are_offered_to_each_who_stays_in_turn(self, world: World, nodes: list[Node]) -> None:
        a = nodes[0]
        leaving(world, a).give({KEY: TIDE})
        assert takers(world, 4) == {"b", "c"}

    def test_go_to_nobody_who_leaves_too(self, world: World, nodes: list[Node]) -> None:
        a, b, c = nodes
        world.cut_off(c)
        world.view(a, KEY)
        for node in (a, b):
            node.replica.leave()
            node.replica.retries.leave()
            world.flush(node)
        # Neither has heard yet that the other leaves.
        world.lose_all()
        world.send(a, a.replica.retries.handover.give({KEY: TIDE}))
        world.settle_wire()
        assert len(a.replica.retries.handover) == 1
        assert KEY not in b.disk.keys

    def test_are_sent_again_if_they_are_lost(self, world: World, nodes: list[Node]) -> None:
        a, b, c = nodes
        world.view(a, KEY)
        handover = leaving(world, a)
        world.send(a, handover.give({KEY: TIDE}))
        world.settle_wire(lose=AskKeys)
        assert len(handover) == 1
        world.pass_quietly(2)
        assert not handover
        assert KEY in {**b.disk.keys, **c.disk.keys}

    def test_that_are_not_written_are_not_confirmed(self, world: World, nodes: list[Node]) -> None:
        a, b, c = nodes
        world.cut_off(c)
        world.view(a, KEY)
        handover = leaving(world, a)
        world.send(a, handover.give({KEY: TIDE}))
        world.settle_wire(write=False)
        assert world.begin_write(b)
        world.fail_write(b)
        world.settle_wire(write=False)
        assert len(handover) == 1
        world.pass_quietly(2)
        assert not handover
        assert b.disk.keys[KEY] == TIDE

    def test_wait_for_a_view_that_comes_at_the_same_time(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        world.cut_off(c)
        world.view(a, KEY)
        handover = leaving(world, a)
        world.send(a, handover.give({KEY: TIDE}))
        world.settle_wire(write=False)
        # In the same transaction as the question.
        b.replica.retries.wait(KEY, TIDE, {})
        world.flush(b)
        world.pass_quietly(2)
        assert not handover
        assert b.replica.retries.outcomes == {KEY: 0}

    def test_fit_into_frames(self, world: World, nodes: list[Node]) -> None:
        a = nodes[0]
        keys = {f"00000000-0000-7000-8000-{n:012x}": TIDE for n in range(MAX_ROWS + 1)}
        handover = leaving(world, a)
        world.send(a, handover.give(keys))
        world.pass_quietly(2)
        assert not handover

    def test_go_to_nobody_of_an_earlier_version(self, nodes: list[Node]) -> None:
        a = nodes[0]
        for peer in a.replica.peers:
            old = replace(peer.hello, versions=Versions(1, HANDOVER_SINCE - 1))
            a.replica.joined(old)
        assert not a.replica.retries.handover.possible
        assert a.replica.retries.handover.give({KEY: TIDE}) == []


class TestFarewell:
    """Nobody waits for who has handed over everything, and has said so."""

    @pytest.fixture
    def patient(self) -> World:
        return World(grace_s=3600.0)

    def test_a_retry_waits_for_nobody_who_has_left(self, patient: World) -> None:
        a, b, _ = patient.meet_well("a", "b", "c")
        patient.leave(a)
        patient.pass_quietly(3)
        patient.retry(b, KEY)
        patient.pass_quietly(3)
        assert b.disk.pending == {}
        assert patient.truth[TIDE] == 1

    def test_a_retry_waits_for_one_whose_farewell_was_lost(self, patient: World) -> None:
        a, b, _ = patient.meet_well("a", "b", "c")
        patient.leave(a, farewell=False)
        patient.retry(b, KEY)
        patient.pass_quietly(60)
        assert KEY in b.disk.pending

    def test_who_is_back_is_asked_again(self, patient: World) -> None:
        a, b, c = patient.meet_well("a", "b", "c")
        disk = a.disk
        patient.leave(a)
        again = patient.start("a", disk)
        patient.settle()
        patient.pass_quietly(2 * retries.NEW_S)
        assert patient.view(again, KEY) is Fate.NEW
        patient.crash(again)
        patient.pass_quietly(3)
        c.replica.cluster.retire("a")
        patient.retry(b, KEY)
        patient.pass_quietly(60)
        # It may be back within the grace.
        assert KEY in b.disk.pending

    def test_who_is_back_and_alone_asks_for_each_key(self, patient: World) -> None:
        a, b, _ = patient.meet_well("a", "b", "c")
        disk = a.disk
        patient.leave(a)
        again = patient.start("a", disk, alone=True)
        patient.pass_quietly(2 * retries.NEW_S)
        # Nobody can know that it is back.
        assert patient.view(again, KEY) is Fate.PENDING
        patient.retry(b, KEY)
        patient.pass_quietly(3)
        patient.heal()
        patient.pass_quietly(20)
        assert again.disk.pending == {}
        assert patient.truth[TIDE] == 1

    def test_tells_of_a_newcomer_that_only_its_sender_knows(self, patient: World) -> None:
        a, b = patient.meet_well("a", "b")
        patient.view(a, KEY)
        a.replica.leave()
        patient.pass_quietly(3)
        # The last heartbeat of `a` comes before it meets `c`.
        c = patient.start("c", alone=True)
        patient.pass_time(0.5)
        while not any(is_heartbeat(packet) and packet.receiver is b for packet in patient.wire):
            patient.pass_time(0.1)
        patient.settle_wire()
        patient.cuts.discard(frozenset((a.process, c.process)))
        patient.connect(a, c)
        handover = a.replica.retries.handover
        patient.send(a, handover.give({KEY: TIDE}))
        patient.wire = [packet for packet in patient.wire if packet.receiver is not b]
        patient.settle_wire()
        while handover:
            patient.send(c, c.replica.tick(patient.now + 1.0))
            patient.send(a, handover.beat())
            patient.wire = [packet for packet in patient.wire if packet.receiver is not b]
            patient.settle_wire()
        assert KEY in c.disk.keys
        patient.send(a, a.replica.farewell())
        patient.settle_wire()
        patient.crash(a)
        patient.retry(b, KEY)
        patient.pass_quietly(3)
        patient.heal()
        patient.pass_quietly(20)
        assert patient.truth[TIDE] == 1

    def test_one_for_another_name_says_nothing(self, patient: World) -> None:
        a, b, c = patient.meet("a", "b", "c")
        slot = slot_of(a)
        patient.crash(a)
        patient.pass_quietly(3)
        patient.send(c, [Send(b.process, Farewell(slot))])
        patient.settle_wire()
        c.replica.cluster.retire("a")
        patient.retry(b, KEY)
        patient.pass_quietly(60)
        assert KEY in b.disk.pending

    def test_is_sent_back_so_that_its_sender_knows_who_knows(self, patient: World) -> None:
        a, b, c = patient.meet("a", "b", "c")
        slot, handover = slot_of(a), a.replica.retries.handover
        a.replica.leave()
        known = []
        for lost_by in ([b, c], [c], list[Node]()):
            patient.send(a, handover.farewell(slot))
            patient.wire = [each for each in patient.wire if each.receiver not in lost_by]
            patient.settle_wire()
            known.append(handover.is_known)
        # Nobody waits for one that is gone.
        patient.send(a, handover.farewell(slot))
        patient.lose_all()
        patient.crash(b)
        patient.crash(c)
        assert [*known, handover.is_known] == [False, False, True, True]
