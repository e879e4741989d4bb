"""The life of a cluster, core to core: folding, leaving, retiring, coming back, giving way."""

import pytest
from ratchet import codec
from ratchet.cluster import REMIND_S
from ratchet.column import Row
from ratchet.frames import Rows
from ratchet.journal import MAX_LIFTED
from ratchet.members import Refused
from ratchet.replica import HEARTBEAT_S
from ratchet.slot import Slot
from ratchet.talk import MAX_SLOTS
from ratchet.tenure import RIVAL_S
from small_world import TIDE, Node, Packet, World, slot_of


def _world(
    *names: str,
    grace_s: float = 0.0,
    retire_after_s: float | None = None,
    max_slots: int = MAX_SLOTS,
    max_lifted: int = MAX_LIFTED,
) -> World:
    """Nodes that know each other and have opened their slots."""
    world = World(
        grace_s=grace_s,
        retire_after_s=retire_after_s,
        max_slots=max_slots,
        max_lifted=max_lifted,
    )
    for name in names:
        world.start(name)
    world.settle()
    return world


def _values(world: World, video: str = TIDE) -> set[int]:
    return {node.replica.table.value(video) for node in world.alive()}


def _hot(world: World) -> set[Slot]:
    return {slot for node in world.alive() for slot in node.replica.table.columns}


def _kinds(node: Node) -> list[str]:
    return [notice.kind for notice in node.replica.notices]


def _leave(world: World, node: Node) -> None:
    node.replica.leave()
    world.flush(node)
    while node.replica.unshared():
        world.pass_time(HEARTBEAT_S / 4)
        world.settle_wire()
    world.crash(node)


class TestFolding:
    def test_an_old_slot_is_folded_on_every_node_once_all_agree(self) -> None:
        world = _world("a", "b", "c")
        a, _, _ = world.alive()
        world.count(a, TIDE, 5)
        world.settle()
        old = slot_of(a)
        world.start("a", world.crash(a))
        world.settle()
        assert old not in _hot(world)
        assert {node.replica.table.base.views(TIDE) for node in world.alive()} == {5}
        assert {node.replica.table.lifted_views["a"] for node in world.alive()} == {5}
        world.finish()

    def test_it_waits_for_the_grace(self) -> None:
        world = _world("a", "b", grace_s=60.0)
        a, b = world.alive()
        world.count(a, TIDE)
        old = slot_of(a)
        world.start("a", world.crash(a))
        world.settle()
        (fold,) = b.replica.observe().folds
        (obstacle,) = fold.obstacles
        assert (fold.node, fold.slots, obstacle.kind) == ("a", (old,), "grace")
        assert 0 < obstacle.amount <= 60
        world.pass_time(60)
        world.settle()
        assert old not in _hot(world)

    def test_one_that_restarts_again_and_again_does_not_put_off_its_older_slots(self) -> None:
        world = _world("a", "b", grace_s=60.0)
        a, b = world.alive()
        for _ in range(4):
            world.count(a, TIDE)
            world.settle()
            world.pass_time(30)
            a = world.start("a", world.crash(a))
            world.settle()
        assert len([slot for slot in b.replica.table.columns if slot.node == "a"]) <= 3
        world.finish()

    def test_a_peer_that_was_never_met_is_in_the_way(self) -> None:
        world = _world("a")
        (a,) = world.alive()
        world.count(a, TIDE)
        a = world.start("a", world.crash(a))
        a.unmet = 1
        world.settle()
        ((obstacle,),) = [fold.obstacles for fold in a.replica.observe().folds]
        assert obstacle.kind == "unmet"
        a.unmet = 0
        world.settle()
        assert a.replica.table.base.views(TIDE) == 1

    def test_a_member_that_is_missing_is_in_the_way_and_is_named(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        world.count(a, TIDE)
        world.settle()
        world.crash(c)
        world.start("a", world.crash(a))
        world.settle()
        (fold,) = b.replica.observe().folds
        assert [(obstacle.kind, obstacle.node) for obstacle in fold.obstacles] == [("missing", "c")]
        assert "missing" in _kinds(b)
        assert [notice.node for notice in b.replica.notices if notice.kind == "missing"] == ["c"]

    def test_it_is_said_again_each_hour_that_one_is_missing(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        world.count(a, TIDE)
        world.settle()
        world.crash(c)
        world.start("a", world.crash(a))
        for _ in range(3):
            world.settle()
            world.pass_time(REMIND_S / 2)
        assert _kinds(b).count("missing") == 2

    def test_a_member_that_lacks_rows_is_in_the_way_until_it_has_them(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        world.cut(b, c)
        world.cut(a, c)
        world.count(a, TIDE, 3)
        world.settle()
        disk = world.crash(a)
        world.cuts.clear()
        world.connect(b, c)
        world.start("a", disk)
        # c has heard of nothing yet.
        world.pass_time(HEARTBEAT_S)
        assert all(fold.obstacles for fold in b.replica.observe().folds)
        world.finish()
        assert len(_hot(world)) == 3

    def test_one_that_only_a_peer_can_reach_is_in_the_way(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        world.count(a, TIDE)
        world.settle()
        old = slot_of(a)
        a = world.start("a", world.crash(a))
        world.cut(a, b)
        world.settle()
        # a and b are far from each other, and c, who hears both, may fold.
        assert old not in _hot(world)
        assert "folded" in _kinds(c)
        assert "folded" not in _kinds(b) + _kinds(a)
        world.finish()

    def test_a_large_slot_is_lifted_in_parts_and_the_value_stands(self) -> None:
        world = _world("a", "b", max_lifted=4)
        a, _ = world.alive()
        for number in range(30):
            a.replica.count(f"video-{number}", number + 1)
        world.flush(a)
        world.settle()
        a = world.start("a", world.crash(a))
        seen: set[int] = set()
        for _ in range(60):
            world.pass_time(HEARTBEAT_S / 2)
            while world.wire:
                world.deliver()
            for node in world.alive():
                if changes := world.begin_write(node):
                    assert sum(len(lift.videos) for lift in changes.lifts) <= 4
                    world.reach_disk(node)
                    # A crash now: what is on the disk is as much.
                    world.check_disk(node)
                    world.confirm(node)
                seen |= {len(column) for column in node.replica.table.lifting.values()}
                assert node.replica.table.value("video-9") == 10
        assert len(seen) > 5
        world.finish()
        assert len(_hot(world)) == 2

    def test_a_crash_between_two_parts_loses_nothing_and_doubles_nothing(self) -> None:
        world = _world("a", "b", max_lifted=4)
        a, b = world.alive()
        for number in range(10):
            a.replica.count(f"video-{number}", 2)
        world.flush(a)
        world.settle()
        a = world.start("a", world.crash(a))
        while not b.replica.table.lifting:
            world.pass_time(HEARTBEAT_S)
            world.settle_wire(write=False)
            world.flush(a)
            if b.replica.table.lifting:
                break
            world.flush(b)
        world.begin_write(b)
        world.reach_disk(b)
        b = world.start("b", world.crash(b))
        assert sum(len(column) for column in b.replica.table.lifting.values()) == 6
        assert [b.replica.table.value(f"video-{number}") for number in range(10)] == [2] * 10
        world.finish()

    def test_a_digest_of_too_many_slots_tells_of_the_same_ones_everywhere(self) -> None:
        world = _world("a", "b", "c", grace_s=1e6, max_slots=3)
        for _ in range(6):
            first = world.alive()[0]
            world.count(first, TIDE)
            world.settle(rounds=200)
            world.start(first.name, world.crash(first))
            world.settle(rounds=200)
        digests = [node.replica.digest() for node in world.alive()]
        assert all(len(digest.slots) <= 4 for digest in digests)
        assert all(digest.slot in digest.slots for digest in digests)
        told = [{*digest.slots} - {digest.slot} for digest in digests]
        assert all(told[0] & other for other in told)


class TestLeaving:
    def test_closes_the_slot_and_the_others_fold_it(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        for node in (a, b, c):
            world.count(node, TIDE, 3)
        _leave(world, a)
        world.finish()
        assert _values(world) == {9}
        assert {slot.node for slot in _hot(world)} == {"b", "c"}
        assert [one.member.state for one in b.replica.observe().members] == ["here", "connected"]

    def test_nothing_is_handed_over_to_one_that_leaves_too(self) -> None:
        world = _world("a", "b")
        a, b = world.alive()
        world.count(a, TIDE)
        world.settle()
        assert a.replica.unshared() == 0
        for node in (a, b):
            node.replica.leave()
        world.settle()
        assert a.replica.unshared() > 0

    def test_rows_that_a_node_only_keeps_for_others_are_handed_over_too(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        world.cut(a, c)
        world.count(a, TIDE, 7)
        while world.wire:
            world.deliver()
        world.flush(b)
        world.crash(a)
        # Only b has heard of a's views.
        world.cut(b, c)
        world.cuts.clear()
        world.connect(b, c)
        _leave(world, b)
        assert c.replica.table.value(TIDE) == 7

    def test_before_the_slot_is_open_closes_what_the_name_had(self) -> None:
        world = _world("a", "b")
        a, _ = world.alive()
        world.count(a, TIDE, 4)
        world.settle()
        disk = world.crash(a)
        a = world.start("a", disk, alone=True)
        a.replica.leave()
        world.flush(a)
        world.pass_time(5)
        assert a.replica.table.own is None
        world.heal()
        while a.replica.unshared():
            world.pass_time(HEARTBEAT_S)
            world.settle_wire()
        world.crash(a)
        world.finish()
        assert {slot.node for slot in _hot(world)} == {"b"}

    def test_what_a_node_folded_while_it_was_alone_is_handed_over_with_the_base(self) -> None:
        world = _world("a")
        (a,) = world.alive()
        world.count(a, TIDE, 3)
        a = world.start("a", world.crash(a), alone=True)
        world.settle()
        assert a.replica.table.base.views(TIDE) == 3
        b = world.start("b")
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        assert a.replica.unshared() > 0
        _leave(world, a)
        assert b.disk.value(TIDE) == 3


class TestRetiring:
    def test_a_dead_node_is_folded_and_forgotten(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        for node in (a, b, c):
            world.count(node, TIDE, 3)
        world.settle()
        world.crash(c)
        world.settle()
        a.replica.retire("c")
        a.replica.retire("c")
        world.finish()
        assert _values(world) == {9}
        assert {slot.node for slot in _hot(world)} == {"a", "b"}
        assert _kinds(a).count("retired") == 1

    @pytest.mark.parametrize(("name", "code"), [("x", "unknown"), ("a", "living"), ("b", "living")])
    def test_is_refused_where_it_cannot_be_meant(self, name: str, code: str) -> None:
        world = _world("a", "b")
        a, _ = world.alive()
        before = a.replica.digest()
        with pytest.raises(Refused) as refused:
            a.replica.retire(name)
        assert refused.value.code == code
        assert a.replica.digest() == before

    def test_is_refused_of_one_that_only_a_peer_hears(self) -> None:
        world = _world("a", "b", "c")
        a, _, c = world.alive()
        world.cut(a, c)
        world.settle()
        with pytest.raises(Refused, match="c is alive"):
            a.replica.retire("c")

    def test_by_mistake_within_the_grace_loses_nothing(self) -> None:
        world = _world("a", "b", "c", grace_s=60.0)
        a, _, c = world.alive()
        world.count(c, TIDE, 3)
        world.settle()
        world.cut_off(c)
        world.count(c, TIDE, 2)
        world.settle()
        a.replica.retire("c")
        world.settle()
        old = slot_of(c)
        world.heal()
        world.settle()
        assert "reopened" in _kinds(c)
        assert slot_of(c).generation > old.generation
        world.count(c, TIDE)
        world.pass_time(60)
        world.finish()
        assert _values(world) == {6}
        assert "unseen" not in _kinds(c)

    def test_by_mistake_and_back_after_the_fold_never_counts_twice_and_says_what_is_lost(
        self,
    ) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        world.count(a, TIDE, 4)
        world.count(c, TIDE, 3)
        world.settle()
        world.cut_off(c)
        world.count(c, TIDE, 2)
        world.crash(b)
        a.replica.retire("c")
        a.replica.retire("b")
        world.count(a, TIDE, 10)
        world.settle()
        assert a.replica.table.value(TIDE) == 17
        world.heal()
        world.settle()
        texts = [notice.text for notice in c.replica.notices if notice.kind == "unseen"]
        assert len(texts) == 1
        assert "2 of its views" in texts[0]
        assert len(_values(world)) == 1
        assert 17 <= a.replica.table.value(TIDE) <= 19
        world.count(c, TIDE)
        world.settle()
        world.assert_equal()
        for node in world.alive():
            world.check(node)

    def test_by_itself_after_a_while_on_the_side_that_has_most(self) -> None:
        world = _world("a", "b", "c", retire_after_s=100.0)
        a, b, c = world.alive()
        world.cut_off(c)
        for _ in range(3):
            world.pass_time(60)
            world.settle()
        assert a.replica.table.is_gone("c")
        assert b.replica.table.is_gone("c")
        # c is alone, and must not take all others for dead.
        assert not c.replica.table.is_gone("a")
        world.finish()

    def test_one_that_only_lives_far_away_is_not_retired_again_and_again(self) -> None:
        # In a chain a - b - c - d nobody near a is connected to d.
        world = _world("a", "b", "c", "d", retire_after_s=100.0)
        a, b, c, d = world.alive()
        for one, two in ((a, c), (a, d), (b, d)):
            world.cut(one, two)
        for _ in range(300):
            world.pass_time(1)
            world.settle_wire()
            for node in world.alive():
                world.flush(node)
        assert _kinds(a).count("retired") <= 3
        assert _kinds(d).count("reopened") <= 3
        world.finish()


class TestSuperseded:
    def test_the_newest_of_a_name_goes_on_and_the_older_hands_over(self) -> None:
        world = _world("a", "b")
        a, _ = world.alive()
        world.count(a, TIDE, 3)
        world.settle()
        twin = world.start("a", a.disk.copy())
        world.settle()
        assert "a newer process" in (a.replica.tenure.superseded or "")
        assert twin.replica.tenure.superseded is None
        a.replica.count(TIDE)
        assert a.replica.changes() is None
        assert a.replica.holdings.shared(a.replica.holdings.own_seqs())
        world.crash(a)
        world.count(twin, TIDE)
        world.finish()
        assert _values(world) == {4}
        assert not any(node.replica.tenure.superseded for node in world.alive())

    def test_once_superseded_it_opens_no_slot_above_the_newer_one(self) -> None:
        world = _world("a", "b")
        a, b = world.alive()
        world.start("a", a.disk.copy())
        world.settle()
        old = slot_of(a)
        rows = Rows(old, 0, 9, False, (Row(TIDE, 1, 9),))
        world.hand(Packet(b, a, codec.encode(rows)))
        assert a.replica.table.own == old
        assert not a.replica.counting

    def test_two_that_never_hear_each_other_live_take_turns_ever_more_slowly(self) -> None:
        world = _world("a", "b", "c")
        a, b, c = world.alive()
        twin = world.start("a", a.disk.copy())
        # a - b - c - a: three connections apart.
        for one, two in ((a, c), (a, twin), (b, twin)):
            world.cut(one, two)
        for _ in range(600):
            world.pass_time(1)
            world.settle_wire()
            for node in world.alive():
                world.flush(node)
        assert _kinds(a).count("reopened") + _kinds(twin).count("reopened") < 20

    def test_one_that_is_heard_of_and_not_alive_supersedes_nobody(self) -> None:
        world = _world("a", "b")
        a, b = world.alive()
        world.count(a, TIDE, 3)
        world.settle()
        world.cut(a, b)
        # A newer process of the name comes and goes where a can't see it.
        twin = world.start("a", a.disk.copy())
        world.cut(a, twin)
        world.settle()
        world.crash(twin)
        world.heal()
        world.pass_time(HEARTBEAT_S)
        while world.wire:
            world.deliver()
        assert not a.replica.counting
        world.pass_time(1)
        world.pass_time(RIVAL_S)
        assert a.replica.tenure.superseded is None
        assert "reopened" in _kinds(a)
        world.count(a, TIDE)
        world.finish()
        assert _values(world) == {4}

    def test_views_wait_while_it_is_not_known(self) -> None:
        world = _world("a", "b")
        a, _ = world.alive()
        world.tell_newest(a, {"a": slot_of(a).generation + 5})
        a.replica.count(TIDE)
        changes = a.replica.changes()
        assert changes is None or not changes.columns
        if changes:
            a.replica.aborted(changes)
        for _ in range(5):
            world.pass_time(1)
            world.settle_wire()
            world.flush(a)
        assert a.replica.table.value(TIDE) == 1

    def test_one_whose_rows_a_copy_of_its_disk_tells_it_goes_on(self) -> None:
        world = _world("a", "b")
        a, _ = world.alive()
        a.replica.count(TIDE)
        world.begin_write(a)
        world.reach_disk(a)
        # Copied before its process knew that it was written.
        twin = world.start("a", a.disk.copy())
        for _ in range(3):
            world.pass_time(HEARTBEAT_S)
            world.settle_wire(write=False)
            world.flush(twin)
        world.confirm(a)
        world.settle_wire()
        world.crash(a)
        world.finish()
        assert _values(world) == {1}


class TestSharing:
    def test_what_a_peer_has_on_disk_is_known_without_a_digest(self) -> None:
        world = _world("a", "b")
        a, b = world.alive()
        a.replica.count(TIDE)
        changes = a.replica.changes(confirm=True)
        assert changes
        a.disk.write(changes)
        world.send(a, a.replica.committed(changes))
        extents = a.replica.holdings.own_seqs()
        world.settle_wire(write=False)
        assert not a.replica.holdings.shared(extents)
        world.flush(b)
        world.settle_wire()
        assert a.replica.holdings.shared(extents)

    def test_peers_can_be_asked(self) -> None:
        world = _world("a", "b")
        a, _ = world.alive()
        world.count(a, TIDE)
        world.settle_wire()
        extents = a.replica.holdings.own_seqs()
        assert not a.replica.holdings.shared(extents)
        world.send(a, a.replica.ask_to_confirm())
        world.settle_wire()
        assert a.replica.holdings.shared(extents)
