"""When a closed slot is folded, and what is in the way until then."""

from ratchet.cluster import HEARTBEAT_S, REMIND_S
from small_world import TIDE, World, notices, slot_of, slots


class TestFolding:
    def test_an_old_slot_is_folded_on_every_node_once_all_agree(self) -> None:
        world = World(grace_s=0.0)
        a, _, _ = world.meet("a", "b", "c")
        world.count(a, TIDE, 5)
        world.settle()
        old = slot_of(a)
        world.start("a", world.crash(a))
        world.settle()
        assert old not in slots(world)
        assert {node.replica.table.base.views(TIDE) for node in world.alive()} == {5}
        assert {node.replica.table.lifted_views["a"] for node in world.alive()} == {5}
        world.finish()

    def test_a_slot_is_not_folded_within_the_grace(self) -> None:
        world = World(grace_s=60.0)
        a, b = world.meet("a", "b")
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
        assert old not in slots(world)

    def test_a_node_that_restarts_again_and_again_delays_slots_by_one_more_grace_and_no_more(
        self,
    ) -> None:
        world = World(grace_s=60.0)
        a, b = world.meet("a", "b")
        most = 0
        for _ in range(20):
            world.count(a, TIDE)
            world.settle()
            world.pass_time(30)
            a = world.start("a", world.crash(a))
            world.settle()
            most = max(most, len([slot for slot in b.replica.table.columns if slot.node == "a"]))
        # Each slot is closed after some 40 s, and folded two graces later.
        assert most <= 5
        assert notices(b).count("folded") > 10
        world.finish()

    def test_an_address_where_no_peer_was_ever_met_is_in_the_way(self) -> None:
        world = World(grace_s=0.0)
        (a,) = world.meet("a")
        world.count(a, TIDE)
        a = world.start("a", world.crash(a))
        a.unmet = 1
        world.settle()
        ((obstacle,),) = [fold.obstacles for fold in a.replica.observe().folds]
        assert obstacle.kind == "unmet"
        a.unmet = 0
        world.settle()
        assert a.replica.table.base.views(TIDE) == 1

    def test_a_missing_member_is_in_the_way_and_is_named(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        world.count(a, TIDE)
        world.settle()
        world.crash(c)
        world.start("a", world.crash(a))
        world.settle()
        (fold,) = b.replica.observe().folds
        assert [(obstacle.kind, obstacle.node) for obstacle in fold.obstacles] == [("missing", "c")]
        assert "missing" in notices(b)
        assert [notice.node for notice in b.replica.notices if notice.kind == "missing"] == ["c"]

    def test_the_notice_of_a_missing_member_repeats_each_hour(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        world.count(a, TIDE)
        world.settle()
        world.crash(c)
        world.start("a", world.crash(a))
        for _ in range(3):
            world.settle()
            world.pass_time(REMIND_S / 2)
        assert notices(b).count("missing") == 2

    def test_a_member_that_lacks_rows_is_in_the_way_until_it_has_them(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        world.cut(b, c)
        world.cut(a, c)
        world.count(a, TIDE, 3)
        world.settle()
        disk = world.crash(a)
        world.cuts.clear()
        world.connect(b, c)
        world.start("a", disk)
        # c doesn't know of the closing yet.
        world.pass_time(HEARTBEAT_S)
        assert all(fold.obstacles for fold in b.replica.observe().folds)
        world.finish()
        assert len(slots(world)) == 3

    def test_a_member_that_only_a_peer_is_connected_to_is_in_the_way(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        world.count(a, TIDE)
        world.settle()
        old = slot_of(a)
        a = world.start("a", world.crash(a))
        world.cut(a, b)
        world.settle()
        # a and b are not connected. c is connected to both, so it may fold.
        assert old not in slots(world)
        assert "folded" in notices(c)
        assert "folded" not in notices(b) + notices(a)
        world.finish()

    def test_a_large_slot_is_lifted_in_parts_and_the_value_stays(self) -> None:
        world = World(grace_s=0.0, max_lifted=4)
        a, _ = world.meet("a", "b")
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
                    # A crash here would leave the same counts on disk.
                    world.check_disk(node)
                    world.confirm(node)
                seen |= {len(column) for column in node.replica.table.lifting.values()}
                assert node.replica.table.value("video-9") == 10
        assert len(seen) > 5
        world.finish()
        assert len(slots(world)) == 2

    def test_a_crash_between_two_parts_loses_nothing_and_doubles_nothing(self) -> None:
        world = World(grace_s=0.0, max_lifted=4)
        a, b = world.meet("a", "b")
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

    def test_a_digest_that_has_too_many_slots_leaves_out_the_same_ones_at_each_node(self) -> None:
        world = World(grace_s=1e6, max_slots=3)
        world.meet("a", "b", "c")
        for _ in range(6):
            first = world.alive()[0]
            world.count(first, TIDE)
            world.settle(rounds=200)
            world.start(first.name, world.crash(first))
            world.settle(rounds=200)
        digests = [node.replica.digest() for node in world.alive()]
        assert all(len(digest.slots) <= 4 for digest in digests)
        assert all(digest.slot in digest.slots for digest in digests)
        others = [{*digest.slots} - {digest.slot} for digest in digests]
        assert all(others[0] & slots for slots in others)
