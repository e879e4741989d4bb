"""A view with a key counts once, wherever its retry lands. (The simulation has the wild schedules;
here is each rule alone.)"""

from dataclasses import replace

import pytest
from ratchet import inquiries, retries
from ratchet.cluster import HEARTBEAT_S
from ratchet.frames import AskKeys, Digest, Frame, TellKeys, Versions
from ratchet.retries import Fate
from small_world import TIDE, Node, World, counts

KEY = "00000000-0000-7000-8000-000000000001"
OTHER = "00000000-0000-7000-8000-000000000002"
THIRD = "00000000-0000-7000-8000-000000000003"


@pytest.fixture
def world() -> World:
    return World(grace_s=60.0)


@pytest.fixture
def nodes(world: World) -> list[Node]:
    return world.meet_well("a", "b", "c")


class TestAFirstAttempt:
    def test_counts_at_once_and_asks_nobody(self, world: World, nodes: list[Node]) -> None:
        assert world.view(nodes[0], KEY) is Fate.NEW
        assert world.on_wire(AskKeys) == []
        assert world.truth[TIDE] == 1

    def test_counts_once_at_its_node(self, world: World, nodes: list[Node]) -> None:
        world.view(nodes[0], KEY)
        assert world.view(nodes[0], KEY) is Fate.COUNTED
        assert world.retry(nodes[0], KEY) is Fate.COUNTED
        assert counts(world) == 1

    def test_at_a_node_that_has_promised_its_key_is_pending(
        self, world: World, nodes: list[Node]
    ) -> None:
        world.retry(nodes[1], KEY)
        world.settle_wire()
        assert world.view(nodes[0], KEY) is Fate.PENDING
        assert counts(world) == 1

    def test_counts_without_the_write_that_failed(self, world: World, nodes: list[Node]) -> None:
        a = nodes[0]
        a.replica.count(TIDE)
        a.replica.retries.count(KEY, TIDE)
        world.begin_write(a)
        world.fail_write(a)
        assert world.view(a, KEY) is Fate.NEW
        assert counts(world) == 1


class TestARetry:
    def test_at_another_node_does_not_count_again(self, world: World, nodes: list[Node]) -> None:
        world.view(nodes[0], KEY)
        assert world.retry(nodes[1], KEY) is Fate.PENDING
        world.settle_wire()
        assert nodes[1].replica.retries.outcomes == {KEY: False}
        assert world.retry(nodes[1], KEY) is Fate.COUNTED
        assert counts(world) == 1

    def test_is_not_forgotten_before_the_view_is_on_a_second_disk(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, _ = nodes
        world.view(a, KEY)
        world.lose_all()
        world.pass_time(HEARTBEAT_S)
        self._deliver(world, Digest)
        world.retry(b, KEY)
        self._deliver(world, AskKeys)
        assert (KEY,) in [answer.counted for answer in world.on_wire(TellKeys, b)]
        self._deliver(world, TellKeys)
        world.crash(a)
        world.start("a")
        assert counts(world) == 1

    def _deliver(self, world: World, kind: type[Frame]) -> None:
        """Of the frames on the wire, only those of this kind arrive."""
        for frame in [packet.frame for packet in world.wire]:
            if isinstance(frame, kind):
                world.deliver()
            else:
                world.wire.pop(0)
        for node in world.alive():
            world.flush(node)

    def test_counts_when_the_first_attempt_never_came(
        self, world: World, nodes: list[Node]
    ) -> None:
        assert world.retry(nodes[1], KEY) is Fate.PENDING
        assert world.truth[TIDE] == 0
        world.settle_wire()
        assert world.truth[TIDE] == 1
        assert nodes[1].replica.retries.outcomes == {KEY: True}

    def test_alone_counts_at_once(self, world: World) -> None:
        [a] = world.meet("a")
        assert world.retry(a, KEY) is Fate.NEW

    def test_asks_a_node_that_came_since_the_last_transaction(self, world: World) -> None:
        [a] = world.meet("a")
        world.view(a, KEY)
        world.retry(a, OTHER)
        b = world.start("b")
        world.connect(a, b)
        assert world.retry(a, THIRD) is Fate.PENDING

    def test_waits_for_addresses_at_which_nobody_was_met(self, world: World) -> None:
        [a] = world.meet("a")
        a.unmet = 1
        world.pass_quietly(3)
        assert world.retry(a, KEY) is Fate.PENDING
        world.pass_quietly(3)
        assert world.truth[TIDE] == 0
        a.unmet = 0
        world.pass_quietly(3)
        assert world.truth[TIDE] == 1

    def test_waits_for_a_node_that_is_cut_off_and_has_counted_it(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, _ = nodes
        world.view(a, KEY)
        world.cut_off(a)
        world.retry(b, KEY)
        world.pass_quietly(30)
        assert dict(b.replica.retries.awaited()) == {"a": 1}
        assert world.truth[TIDE] == 1
        assert counts(world) == 1
        assert b.replica.retries.pending == {}

    def test_waits_for_a_node_that_is_down_and_asks_its_next_process(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, _ = nodes
        world.view(a, KEY)
        disk = world.crash(a)
        world.retry(b, KEY)
        world.pass_quietly(30)
        world.start("a", disk)
        assert counts(world) == 1

    def test_of_a_retired_node_waits_until_its_grace_is_over(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        world.crash(a)
        world.retry(b, KEY)
        world.pass_quietly(3)
        c.replica.cluster.retire("a")
        world.pass_quietly(50)
        assert world.truth[TIDE] == 0
        world.pass_quietly(15)
        assert world.truth[TIDE] == 1

    def test_does_not_wait_for_an_import(self, world: World, nodes: list[Node]) -> None:
        a, b, _ = nodes
        while a.replica.imports.begin("old", world.now).state == "agreeing":
            world.pass_quietly(1)
        assert world.retry(b, KEY) is Fate.PENDING
        world.settle_wire()
        assert world.truth[TIDE] == 1
        a.replica.imports.end("old")
        world.pass_quietly(3)
        assert world.retry(b, OTHER) is Fate.PENDING
        world.settle_wire()
        assert world.truth[TIDE] == 2

    def test_is_still_pending_after_a_crash(self, world: World, nodes: list[Node]) -> None:
        a, b, _ = nodes
        world.cut_off(a)
        world.retry(b, KEY)
        disk = world.crash(b)
        world.start("b", disk)
        assert counts(world) == 1

    def test_waits_for_nodes_of_the_last_version(self, world: World, nodes: list[Node]) -> None:
        a, b, _ = nodes
        peer = b.replica.peers.by_process[a.process]
        peer.hello = replace(peer.hello, versions=Versions(1, 4))
        world.retry(b, KEY)
        world.pass_quietly(5)
        assert dict(b.replica.retries.awaited()) == {"a": 1}
        assert world.truth[TIDE] == 0

    def test_more_than_may_wait_are_refused(
        self, world: World, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retries, "MAX_PENDING", 1)
        world.cut_off(nodes[0])
        assert world.retry(nodes[0], KEY) is Fate.PENDING
        assert world.retry(nodes[0], OTHER) is Fate.REFUSED
        assert world.retry(nodes[0], KEY) is Fate.PENDING

    def test_says_for_how_long_it_has_been_pending(self, world: World, nodes: list[Node]) -> None:
        b = nodes[1]
        world.cut_off(b)
        world.retry(b, KEY)
        world.pass_time(2.0)
        world.retry(b, OTHER)
        pending_s = b.replica.retries.pending_s
        assert pending_s([KEY]) == pytest.approx(2.0, abs=0.1)
        assert pending_s([KEY, OTHER]) < 0.1
        assert pending_s([]) == 0.0
        world.now -= 3600.0
        assert pending_s([KEY]) == 0.0

    def test_with_lost_frames_asks_again(self, world: World, nodes: list[Node]) -> None:
        world.retry(nodes[1], KEY)
        world.settle_wire(lose=AskKeys)
        assert world.lost == 2
        world.pass_quietly(2)
        assert world.truth[TIDE] == 1


class TestRivals:
    def test_of_two_at_once_one_counts(self, world: World, nodes: list[Node]) -> None:
        for node in nodes:
            world.retry(node, KEY)
        assert counts(world) == 1
        outcomes = [node.replica.retries.outcomes[KEY] for node in nodes]
        assert sorted(outcomes) == [False, False, True]

    def test_the_same_one_counts_when_the_other_is_down_for_a_while(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        world.cut(a, c)
        world.retry(a, KEY)
        world.retry(c, KEY)
        disk = world.crash(a)
        world.pass_quietly(5)
        assert world.truth[TIDE] == 0
        world.start("a", disk)
        assert counts(world) == 1
        assert b.replica.retries.pending == {}

    def test_who_has_promised_counts_when_the_rival_is_lost(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        world.cut(b, c)
        world.retry(b, KEY)
        world.settle_wire()
        # `a` has promised it to `b`. The view comes to `a`, and `b` is lost for ever.
        assert world.retry(a, KEY) is Fate.PENDING
        assert a.replica.retries.pending[KEY].behind
        world.crash(b)
        world.pass_quietly(3)
        c.replica.cluster.retire("b")
        world.pass_quietly(70)
        assert world.truth[TIDE] == 1

    def test_two_who_have_promised_become_rivals_and_one_counts(
        self, world: World, nodes: list[Node]
    ) -> None:
        d = world.start("d")
        world.settle()
        a, b, c = nodes
        world.pass_quietly(10)
        world.cut(b, d)
        world.retry(b, KEY)
        world.settle_wire()
        world.retry(a, KEY)
        world.retry(c, KEY)
        assert a.replica.retries.pending[KEY].behind
        assert c.replica.retries.pending[KEY].behind
        world.crash(b)
        world.pass_quietly(3)
        d.replica.cluster.retire("b")
        world.pass_quietly(80)
        assert world.truth[TIDE] == 1
        assert counts(world) == 1


class TestWhoWaitsBehindOthers:
    """`a` and `c` have promised a key to `b`, and the view came to both of them later. Then `b` is
    lost, and all have waited for the grace."""

    @pytest.fixture
    def behind(self, world: World, nodes: list[Node]) -> list[Node]:
        a, b, c = nodes
        d = world.start("d")
        world.settle()
        world.pass_quietly(10)
        world.cut(b, d)
        world.retry(b, KEY)
        world.settle_wire()
        world.retry(a, KEY)
        world.retry(c, KEY)
        world.crash(b)
        world.pass_quietly(3)
        d.replica.cluster.retire("b")
        world.pass_quietly(55)
        assert a.replica.retries.pending[KEY].behind
        assert c.replica.retries.pending[KEY].behind
        return [a, c, d]

    def test_asks_anew_after_a_promise_to_a_rival(self, world: World, behind: list[Node]) -> None:
        a, c, _ = behind
        # All have said `never` to both. The grace ends, and `c` is the first to see it. It asks
        # them once more.
        world.now += 10
        while c.replica.retries.pending[KEY].behind:
            if world.wire:
                world.deliver()
            else:
                world.now += 1
                world.send(c, c.replica.tick(world.now))
            for node in world.alive():
                world.flush(node)
        # Its question as a rival reaches `a`. The answers to `c` are late.
        late = []
        while world.wire:
            if isinstance(world.wire[0].frame, TellKeys):
                late.append(world.wire.pop(0))
            else:
                world.deliver()
                for node in world.alive():
                    if node is not c:
                        world.flush(node)
        for _ in range(3):
            world.now += 1
            world.send(a, a.replica.tick(world.now))
            world.flush(a)
        assert a.replica.retries.pending[KEY].behind
        world.wire += late
        world.settle_wire()
        world.pass_quietly(20)
        assert world.truth[TIDE] == 1

    def test_takes_no_answer_to_a_question_from_before_that(
        self, world: World, behind: list[Node]
    ) -> None:
        a, c, _ = behind
        world.retry(a, OTHER)
        number = max(question.number for question in world.on_wire(AskKeys))
        asked = a.replica.inquiries
        assert asked.hear(OTHER, "", c.process, number)
        asked.begin(OTHER)
        assert not asked.hear(OTHER, "", c.process, number)
        assert asked.hear(OTHER, "", c.process, number + 1)


class TestQuestions:
    def test_are_answered_once_the_promise_is_on_disk(
        self, world: World, nodes: list[Node]
    ) -> None:
        a = nodes[0]
        world.retry(nodes[1], KEY)
        while world.wire:
            world.deliver()
        world.begin_write(a)
        assert world.on_wire(TellKeys) == []
        world.reach_disk(a)
        world.confirm(a)
        [told] = world.on_wire(TellKeys)
        assert told.never == (KEY,)
        assert a.disk.keys == {KEY: None}

    def test_of_a_node_that_lists_other_names_are_not_answered(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        d = world.start("d", alone=True)
        world.cuts.discard(frozenset((c.process, d.process)))
        world.connect(c, d)
        # `d` has joined through `c`, and is new no more. Nothing of that has reached `b` yet.
        for _ in range(2 * int(retries.NEW_S)):
            world.pass_time(1.0)
            while packets := [packet for packet in world.wire if packet.receiver is not b]:
                world.deliver(world.wire.index(packets[0]))
                for node in (a, c, d):
                    world.flush(node)
            world.lose_all()
        assert world.view(d, KEY) is Fate.NEW
        world.lose_all()
        assert "d" not in b.replica.table.newest.names()
        world.retry(b, KEY)
        # All questions and answers arrive, and nothing else.
        while packets := [p for p in world.wire if isinstance(p.frame, AskKeys | TellKeys)]:
            world.deliver(world.wire.index(packets[0]))
            for node in (a, b, c):
                world.flush(node)
        assert counts(world) == 1

    def test_of_a_node_that_does_not_know_who_is_back_are_not_answered(
        self, world: World, nodes: list[Node]
    ) -> None:
        a, b, c = nodes
        d = world.start("d")
        world.settle()
        disk = world.crash(d)
        world.cut_off(c)
        world.pass_quietly(3)
        a.replica.cluster.retire("d")
        world.pass_quietly(70)
        # `c` does not know that `d` was retired. So `d` is not new there, and counts.
        d = world.start("d", disk, alone=True)
        world.cuts.discard(frozenset((c.process, d.process)))
        world.connect(c, d)
        world.pass_quietly(10)
        assert world.view(d, KEY) is Fate.NEW
        world.lose_all()
        # `c` is back, and what it says of `d` gets lost.
        world.retry(b, KEY)
        for node in (a, b):
            world.cuts.discard(frozenset((c.process, node.process)))
            world.connect(c, node)
        for _ in range(2):
            world.wire = [one for one in world.wire if isinstance(one.frame, AskKeys)]
            while world.wire:
                world.deliver()
                for node in world.alive():
                    world.flush(node)
                world.wire = [
                    one for one in world.wire if isinstance(one.frame, AskKeys | TellKeys)
                ]
            world.pass_time(1.0)
        assert world.truth[TIDE] == 1
        world.lose_all()
        assert counts(world) == 1

    def test_that_are_too_many_are_dropped(
        self, world: World, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retries, "MAX_QUESTIONS", 1)
        a, b, c = nodes
        world.retry(b, KEY)
        world.retry(c, OTHER)
        while world.wire:
            world.deliver()
        assert len(a.replica.retries.asked()) == 1
        assert counts(world) == 2


class TestANewName:
    @pytest.mark.usefixtures("nodes")
    def test_takes_first_attempts_for_retries_for_a_moment(self, world: World) -> None:
        d = world.start("d")
        world.settle_wire()
        assert world.view(d, KEY) is Fate.PENDING
        world.settle()
        assert world.truth[TIDE] == 1
        world.pass_quietly(retries.NEW_S)
        assert world.view(d, OTHER) is Fate.NEW

    def test_is_that_no_more_after_a_restart(self, world: World, nodes: list[Node]) -> None:
        disk = world.crash(nodes[0])
        a = world.start("a", disk)
        world.settle_wire()
        world.pass_time(0.25)
        assert world.view(a, KEY) is Fate.NEW

    @pytest.mark.usefixtures("nodes")
    def test_is_new_for_longer_if_it_was_stopped_meanwhile(self, world: World) -> None:
        d = world.start("d")
        world.settle_wire()
        world.pass_time(0.25)
        world.settle_wire()
        # A view may have waited at it since it was stopped.
        world.pass_time(2 * retries.NEW_S)
        assert world.view(d, KEY) is Fate.PENDING

    def test_without_any_other_counts_at_once(self, world: World) -> None:
        a = world.start("a")
        a.unmet = 2
        world.pass_time(2.5)
        assert world.view(a, KEY) is Fate.NEW


class TestForgettingKeys:
    def test_while_all_are_connected_keys_may_go_when_they_expire(
        self, world: World, nodes: list[Node]
    ) -> None:
        world.pass_quietly(2 * inquiries.HEARD_S)
        late = world.now - nodes[0].replica.inquiries.heard_until(world.now)
        assert late == pytest.approx(inquiries.HEARD_S, abs=1.5)

    def test_while_one_is_missing_they_stay(self, world: World, nodes: list[Node]) -> None:
        world.pass_quietly(2 * inquiries.HEARD_S)
        before = nodes[0].replica.inquiries.heard_until(world.now)
        disk = world.crash(nodes[1])
        world.pass_quietly(100)
        assert nodes[0].replica.inquiries.heard_until(world.now) == pytest.approx(before, abs=1.5)
        world.start("b", disk)
        world.pass_quietly(5)
        assert nodes[0].replica.inquiries.heard_until(world.now) == pytest.approx(before, abs=1.5)
        world.pass_quietly(2 * inquiries.HEARD_S)
        assert nodes[0].replica.inquiries.heard_until(world.now) > before + 90

    def test_while_all_others_are_missing_they_stay(self, world: World, nodes: list[Node]) -> None:
        world.pass_quietly(2 * inquiries.HEARD_S)
        before = nodes[0].replica.inquiries.heard_until(world.now)
        world.crash(nodes[1])
        world.crash(nodes[2])
        world.pass_quietly(100)
        assert nodes[0].replica.inquiries.heard_until(world.now) == pytest.approx(before, abs=1.5)

    def test_they_stay_until_a_member_can_have_asked_for_all_that_it_keeps(self) -> None:
        # Twice, as a question may get lost.
        assert inquiries.HEARD_S > 2 * HEARTBEAT_S * retries.MAX_PENDING / retries.MAX_LOOKED_AT

    def test_alone_they_may_go_when_they_expire(self, world: World) -> None:
        [a] = world.meet("a")
        a.unmet = 1
        world.pass_quietly(2 * inquiries.HEARD_S)
        assert a.replica.inquiries.heard_until(world.now) == pytest.approx(world.now, abs=1.5)

    def test_a_process_that_has_just_started_forgets_none(self, world: World) -> None:
        a = world.start("a")
        assert a.replica.inquiries.heard_until(world.now) == float("-inf")

    def test_after_a_week_they_go_all_the_same(self, world: World, nodes: list[Node]) -> None:
        world.crash(nodes[1])
        now = world.now + 2 * inquiries.HOLD_S
        assert nodes[0].replica.inquiries.heard_until(now) == now - inquiries.HOLD_S
