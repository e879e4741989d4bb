"""When a closed slot is folded, and what is in the way until then."""

from ratchet.cluster import REMIND_S
from ratchet.replica import HEARTBEAT_S
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

    def test_it_waits_for_the_grace(self) -> None:
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

    def test_one_that_restarts_again_and_again_does_not_put_off_its_older_slots(self) -> None:
        world = World(grace_s=60.0)
        a, b = world.meet("a", "b")
        for _ in range(4):
            world.count(a, TIDE)
            world.settle()
            world.pass_time(30)
            a = world.start("a", world.crash(a))
            world.settle()
        assert len([slot for slot in b.replica.table.columns if slot.node == "a"]) <= 3
        world.finish()

    def test_a_peer_that_was_never_met_is_in_the_way(self) -> None:
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

    def test_a_member_that_is_missing_is_in_the_way_and_is_named(self) -> None:
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

    def test_it_is_said_again_each_hour_that_one_is_missing(self) -> None:
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
        # c has heard of nothing yet.
        world.pass_time(HEARTBEAT_S)
        assert all(fold.obstacles for fold in b.replica.observe().folds)
        world.finish()
        assert len(slots(world)) == 3

    def test_one_that_only_a_peer_can_reach_is_in_the_way(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        world.count(a, TIDE)
        world.settle()
        old = slot_of(a)
        a = world.start("a", world.crash(a))
        world.cut(a, b)
        world.settle()
        # a and b are far from each other, and c, who hears both, may fold.
        assert old not in slots(world)
        assert "folded" in notices(c)
        assert "folded" not in notices(b) + notices(a)
        world.finish()

    def test_a_large_slot_is_lifted_in_parts_and_the_value_stands(self) -> None:
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
                    # A crash now: what is on the disk is as much.
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

    def test_a_digest_of_too_many_slots_tells_of_the_same_ones_everywhere(self) -> None:
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
        told = [{*digest.slots} - {digest.slot} for digest in digests]
        assert all(told[0] & other for other in told)
