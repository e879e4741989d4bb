"""A node leaves for good: it closes its slot and hands over everything."""

from ratchet.cluster import HEARTBEAT_S
from small_world import TIDE, World, slots, values


class TestLeaving:
    def test_closes_the_slot_and_the_others_fold_it(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        for node in (a, b, c):
            world.count(node, TIDE, 3)
        world.leave(a)
        world.finish()
        assert values(world) == {9}
        assert {slot.node for slot in slots(world)} == {"b", "c"}
        assert [one.member.state for one in b.replica.observe().members] == ["here", "connected"]

    def test_hands_nothing_over_to_a_node_that_leaves_too(self) -> None:
        world = World(grace_s=0.0)
        a, b = world.meet("a", "b")
        world.count(a, TIDE)
        world.settle()
        assert a.replica.unshared() == 0
        for node in (a, b):
            node.replica.leave()
        world.settle()
        assert a.replica.unshared() > 0

    def test_hands_over_the_rows_of_other_nodes_too(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        world.cut(a, c)
        world.count(a, TIDE, 7)
        while world.wire:
            world.deliver()
        world.flush(b)
        world.crash(a)
        # Only b has a's views.
        world.cut(b, c)
        world.cuts.clear()
        world.connect(b, c)
        world.leave(b)
        assert c.replica.table.value(TIDE) == 7

    def test_before_the_slot_is_open_closes_the_earlier_slots_of_the_name(self) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
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
        assert {slot.node for slot in slots(world)} == {"b"}

    def test_hands_over_the_base_with_what_the_node_folded_while_it_was_alone(self) -> None:
        world = World(grace_s=0.0)
        (a,) = world.meet("a")
        world.count(a, TIDE, 3)
        a = world.start("a", world.crash(a), alone=True)
        world.settle()
        assert a.replica.table.base.views(TIDE) == 3
        b = world.start("b")
        world.pass_time(HEARTBEAT_S)
        world.settle_wire(write=False)
        assert a.replica.unshared() > 0
        world.leave(a)
        assert b.disk.value(TIDE) == 3
