"""A node is retired by an operator or by its peers, rightly or by mistake."""

import pytest
from ratchet.members import Refused
from small_world import TIDE, World, notices, slot_of, slots, values


class TestRetiring:
    def test_a_dead_node_folds_and_forgets_its_slots(self) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        for node in (a, b, c):
            world.count(node, TIDE, 3)
        world.settle()
        world.crash(c)
        world.settle()
        a.replica.cluster.retire("c")
        a.replica.cluster.retire("c")
        world.finish()
        assert values(world) == {9}
        assert {slot.node for slot in slots(world)} == {"a", "b"}
        assert notices(a).count("retired") == 1

    @pytest.mark.parametrize(("name", "code"), [("x", "unknown"), ("a", "living"), ("b", "living")])
    def test_a_node_that_is_alive_or_unknown_is_refused(self, name: str, code: str) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
        before = a.replica.digest()
        with pytest.raises(Refused) as refused:
            a.replica.cluster.retire(name)
        assert refused.value.code == code
        assert a.replica.digest() == before

    def test_a_node_that_only_a_peer_is_connected_to_is_refused(self) -> None:
        world = World(grace_s=0.0)
        a, _, c = world.meet("a", "b", "c")
        world.cut(a, c)
        world.settle()
        with pytest.raises(Refused, match="c is alive"):
            a.replica.cluster.retire("c")

    def test_a_node_by_mistake_and_back_within_the_grace_loses_nothing(self) -> None:
        world = World(grace_s=60.0)
        a, _, c = world.meet("a", "b", "c")
        world.count(c, TIDE, 3)
        world.settle()
        world.cut_off(c)
        world.count(c, TIDE, 2)
        world.settle()
        a.replica.cluster.retire("c")
        world.settle()
        old = slot_of(c)
        world.heal()
        world.settle()
        assert "reopened" in notices(c)
        assert slot_of(c).generation > old.generation
        world.count(c, TIDE)
        world.pass_time(60)
        world.finish()
        assert values(world) == {6}
        assert "unseen" not in notices(c)

    def test_a_node_by_mistake_and_back_after_the_fold_counts_nothing_twice_and_names_the_loss(
        self,
    ) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        world.count(a, TIDE, 4)
        world.count(c, TIDE, 3)
        world.settle()
        world.cut_off(c)
        world.count(c, TIDE, 2)
        world.crash(b)
        a.replica.cluster.retire("c")
        a.replica.cluster.retire("b")
        world.count(a, TIDE, 10)
        world.settle()
        assert a.replica.table.value(TIDE) == 17
        world.heal()
        world.settle()
        texts = [notice.text for notice in c.replica.notices if notice.kind == "unseen"]
        assert len(texts) == 1
        assert "2 of its views" in texts[0]
        assert len(values(world)) == 1
        assert 17 <= a.replica.table.value(TIDE) <= 19
        world.count(c, TIDE)
        world.settle()
        world.assert_equal()
        for node in world.alive():
            world.check(node)

    def test_happens_by_itself_after_a_while_on_the_side_that_has_most_nodes(self) -> None:
        world = World(grace_s=0.0, retire_after_s=100.0)
        a, b, c = world.meet("a", "b", "c")
        world.cut_off(c)
        for _ in range(3):
            world.pass_time(60)
            world.settle()
        assert a.replica.table.is_gone("c")
        assert b.replica.table.is_gone("c")
        # c is alone, and must not take all others for dead.
        assert not c.replica.table.is_gone("a")
        world.finish()

    def test_does_not_happen_again_and_again_to_a_node_that_is_alive_far_away(self) -> None:
        # In the chain a - b - c - d neither a nor its only peer b is connected to d.
        world = World(grace_s=0.0, retire_after_s=100.0)
        a, b, c, d = world.meet("a", "b", "c", "d")
        for one, two in ((a, c), (a, d), (b, d)):
            world.cut(one, two)
        for _ in range(300):
            world.pass_time(1)
            world.settle_wire()
            for node in world.alive():
                world.flush(node)
        assert notices(a).count("retired") <= 3
        assert notices(d).count("reopened") <= 3
        world.finish()
