"""Who must agree before a slot is folded: everybody who was met and was not seen to leave, and,
for the grace, also those whose slots were closed."""

from collections.abc import Iterable

import pytest
from ratchet.cluster import HEARTBEAT_S
from ratchet.members import Refused
from small_world import TIDE, Node, World, notices, slot_of, values

GRACE_S = 3600.0
# By then c has been missing for longer than the grace, and d's slot has been closed for as long.
LATER_S = 80 * 60.0
SOON_S = 300.0


def _cut_in_two(world: World, one: Iterable[Node], two: Iterable[Node]) -> None:
    two = [*two]
    for here in one:
        for there in two:
            world.cut(here, there)


def _restart(world: World, node: Node, out_of_reach: Iterable[Node] = ()) -> Node:
    new = world.start(node.name, world.crash(node), alone=True)
    for other in world.alive():
        if other not in out_of_reach:
            world.cuts.discard(frozenset((new.process, other.process)))
            world.connect(new, other)
    return new


def _count_where_only_c_hears_it(world: World, c: Node, d: Node) -> None:
    """c and d are cut off from the others. c has 7 views of d that nobody else has, and d dies for
    good, with its disk. On the other side 10 views are counted in a slot that is closed then.

    (Where bases differ in one slot alone, the larger base would bring everything back.)
    """
    others = [node for node in world.alive() if node not in (c, d)]
    _cut_in_two(world, (c, d), others)
    world.count(d, TIDE, 7)
    world.settle()
    assert c.replica.table.value(TIDE) >= 7
    world.crash(d)
    if len(others) > 1:
        world.count(others[-1], TIDE, 10)
        world.settle()
        _restart(world, others[-1], [c])
        world.settle()


def _obstacles(node: Node) -> list[tuple[str, str]]:
    """What is in the way at `node`: kinds and names."""
    folds = node.replica.observe().folds
    return [(each.kind, each.node) for fold in folds for each in fold.obstacles]


def _retire(world: World, via: Node, name: str) -> None:
    world.settle()
    via.replica.cluster.retire(name)
    world.settle()


def _let_pass(world: World, seconds: float) -> None:
    world.pass_time(seconds)
    world.settle()


def _five_of_which_c_is_cut_off(world: World) -> tuple[Node, Node, Node]:
    """Return a, b and c. d's slot has been closed for longer than the grace; c, which is missing,
    has views of it that nobody else has."""
    a, b, c, d, _ = world.meet(*"abcde")
    world.count(d, TIDE)
    world.settle()
    _count_where_only_c_hears_it(world, c, d)
    _retire(world, a, "d")
    _let_pass(world, LATER_S)
    assert {*_obstacles(a)} == {("missing", "c")}
    return a, b, c


class TestANodeThatWasRetired:
    def test_by_mistake_and_comes_back_within_the_grace_keeps_what_it_has_of_others(self) -> None:
        world = World(grace_s=GRACE_S)
        a, _, c = _five_of_which_c_is_cut_off(world)
        _retire(world, a, "c")
        _let_pass(world, SOON_S)
        assert {*_obstacles(a)} == {("grace", "c")}
        world.heal()
        world.settle()
        assert "reopened" in notices(c)
        _let_pass(world, GRACE_S)
        assert values(world) == {18}
        assert a.replica.table.base.views(TIDE) == 18
        world.finish()

    def test_is_waited_for_no_longer_than_the_grace(self) -> None:
        world = World(grace_s=GRACE_S)
        a, _, c = _five_of_which_c_is_cut_off(world)
        world.crash(c)
        _retire(world, a, "c")
        _let_pass(world, GRACE_S - 60)
        assert {*_obstacles(a)} == {("grace", "c")}
        _let_pass(world, 60)
        assert _obstacles(a) == []
        assert a.replica.table.base.views(TIDE) == 11

    def test_by_itself_is_waited_for_too(self) -> None:
        world = World(grace_s=GRACE_S, retire_after_s=2 * GRACE_S)
        a, _, _ = _five_of_which_c_is_cut_off(world)
        while not a.replica.table.is_gone("c"):
            _let_pass(world, 60)
        _let_pass(world, SOON_S)
        world.heal()
        world.settle()
        _let_pass(world, GRACE_S)
        assert values(world) == {18}

    def test_after_another_one_of_its_side_is_waited_for_when_that_one_can_be_folded(self) -> None:
        world = World(grace_s=GRACE_S)
        a, _, c, d, _ = world.meet(*"abcde")
        world.count(d, TIDE)
        world.settle()
        _count_where_only_c_hears_it(world, c, d)
        _retire(world, a, "d")
        _let_pass(world, SOON_S)
        _retire(world, a, "c")
        _let_pass(world, GRACE_S - SOON_S)
        assert {*_obstacles(a)} == {("grace", "c")}
        world.heal()
        world.settle()
        _let_pass(world, GRACE_S)
        assert values(world) == {18}

    def test_is_waited_for_when_the_node_that_judges_has_restarted(self) -> None:
        world = World(grace_s=GRACE_S)
        a, _, c = _five_of_which_c_is_cut_off(world)
        _retire(world, a, "c")
        for node in world.alive():
            if node is not c:
                _restart(world, node, [c])
        world.settle()
        _let_pass(world, SOON_S)
        world.heal()
        world.settle()
        _let_pass(world, GRACE_S)
        assert values(world) == {18}


class TestANodeThatLeaves:
    def _left(self, world: World, *, while_ripe: bool) -> Node:
        """Return a; d has died and was retired, and c has left when that slot could be folded, or
        before."""
        a, b, c, d = world.meet(*"abcd")
        world.count(d, TIDE, 7)
        world.settle()
        world.crash(d)
        _retire(world, a, "d")
        for node in (a, b, c):
            node.unmet = 1  # So nothing is folded before c has left.
        _let_pass(world, GRACE_S if while_ripe else GRACE_S - SOON_S)
        world.leave(c)
        world.settle()
        a.unmet = b.unmet = 0
        return a

    def test_has_agreed_with_its_last_word(self) -> None:
        world = World(grace_s=GRACE_S)
        a = self._left(world, while_ripe=True)
        world.settle()
        assert "folded" in notices(a)
        assert values(world) == {7}

    def test_before_others_can_be_folded_is_waited_for_no_longer_than_the_grace(self) -> None:
        """It can't be told from a node that was retired by mistake just then."""
        world = World(grace_s=GRACE_S)
        a = self._left(world, while_ripe=False)
        _let_pass(world, SOON_S)
        assert {*_obstacles(a)} == {("grace", "c")}
        _let_pass(world, GRACE_S - SOON_S)
        assert values(world) == {7}
        assert "folded" in notices(a)


class TestANodeThatIsReplaced:
    def test_keeps_what_it_has_of_others(self) -> None:
        """A new process of its name, on an empty disk, does not speak for the old one."""
        world = World(grace_s=GRACE_S)
        a, _, c = _five_of_which_c_is_cut_off(world)
        old = slot_of(c)
        world.start("c", alone=False)
        (new,) = [node for node in world.alive() if node.name == "c" and node is not c]
        world.cut(new, c)
        world.settle()
        _let_pass(world, SOON_S)
        assert a.replica.table.is_closed(old)
        assert {*_obstacles(a)} == {("grace", "c")}
        world.heal()
        world.settle()
        assert c.replica.tenure.superseded
        assert c.replica.unshared() == 0
        world.crash(c)
        _let_pass(world, GRACE_S)
        assert values(world) == {18}


class TestANodeThatWasOnlyMet:
    """It said hello, and was cut off before anybody heard of its slot."""

    def _met(self, world: World) -> tuple[Node, Node, Node]:
        """a and c, and d, to which c is still connected; d has a closed slot."""
        a, b, d, e = world.meet(*"abde")
        world.count(d, TIDE)
        world.settle()
        c = world.start("c")
        world.lose_all()
        _cut_in_two(world, (c, d), (a, b, e))
        world.settle()
        return a, c, d

    def test_is_missing(self) -> None:
        world = World(grace_s=GRACE_S)
        a, c, d = self._met(world)
        _count_where_only_c_hears_it(world, c, d)
        _retire(world, a, "d")
        _let_pass(world, LATER_S)
        assert {*_obstacles(a)} == {("missing", "c")}
        (missing,) = [
            each.member for each in a.replica.observe().members if each.member.state == "missing"
        ]
        assert (missing.node, missing.slot) == ("c", None)
        world.heal()
        world.settle()
        _let_pass(world, GRACE_S)
        assert values(world) == {18}
        world.finish()

    def test_is_missing_when_those_who_met_it_have_restarted(self) -> None:
        world = World(grace_s=GRACE_S)
        a, c, d = self._met(world)
        _count_where_only_c_hears_it(world, c, d)
        world.crash(c)
        for node in world.alive():
            world.start(node.name, world.crash(node))
        world.settle()
        a = next(node for node in world.alive() if node.name == "a")
        _retire(world, a, "d")
        _let_pass(world, LATER_S)
        assert ("missing", "c") in _obstacles(a)
        world.start("c", c.disk)
        world.settle()
        _let_pass(world, GRACE_S)
        assert values(world) == {18}

    def test_by_somebody_else_is_missing_too(self) -> None:
        world = World(grace_s=GRACE_S)
        a, b, d = world.meet(*"abd")
        world.count(d, TIDE)
        world.settle()
        c = world.start("c", alone=True)
        world.cuts = {frozenset((a.process, c.process))}
        world.connect(b, c)
        world.connect(d, c)
        world.wire = [packet for packet in world.wire if c not in (packet.sender, packet.receiver)]
        world.send(b, [*b.replica.tick(world.now + HEARTBEAT_S)])
        world.wire = [packet for packet in world.wire if packet.receiver is a]
        world.settle_wire()
        _cut_in_two(world, (c, d), (a, b))
        world.crash(b)
        _count_where_only_c_hears_it(world, c, d)
        for name in "bd":
            _retire(world, a, name)
        _let_pass(world, LATER_S)
        assert {*_obstacles(a)} == {("missing", "c")}

    def test_can_be_retired_and_is_waited_for_no_longer_than_the_grace(self) -> None:
        world = World(grace_s=GRACE_S)
        a, c, d = self._met(world)
        _count_where_only_c_hears_it(world, c, d)
        _retire(world, a, "d")
        _let_pass(world, LATER_S)
        _retire(world, a, "c")
        _let_pass(world, SOON_S)
        assert {*_obstacles(a)} == {("grace", "c")}
        _let_pass(world, GRACE_S)
        assert _obstacles(a) == []
        assert "folded" in notices(a)

    def test_and_whose_name_was_gone_is_waited_for_for_the_grace(self) -> None:
        """Its slots are closed, so it is not missing; it may have opened another."""
        world = World(grace_s=GRACE_S)
        a, b, c, d = world.meet(*"abcd")
        world.count(d, TIDE)
        world.settle()
        world.crash(c)
        _retire(world, a, "c")
        _let_pass(world, 2 * GRACE_S)
        c = world.start("c", c.disk)
        world.lose_all()
        _cut_in_two(world, (c, d), (a, b))
        world.settle()
        _count_where_only_c_hears_it(world, c, d)
        _retire(world, a, "d")
        _let_pass(world, SOON_S)
        assert c.replica.counting
        # Both end at about the same time: d's own grace, and the waiting for c.
        _let_pass(world, GRACE_S - 2 * SOON_S)
        world.heal()
        world.settle()
        _let_pass(world, GRACE_S)
        assert values(world) == {18}

    def test_and_leaves_before_it_has_a_slot_is_not_missing(self) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
        c = world.start("c")
        world.lose_all()
        world.leave(c)
        world.settle()
        assert a.replica.table.is_gone("c")
        assert [each.member.node for each in a.replica.observe().members] == ["a", "b"]

    def test_is_not_retired_while_it_is_there(self) -> None:
        world = World(grace_s=0.0)
        (a,) = world.meet("a")
        world.start("c")
        world.lose_all()
        with pytest.raises(Refused, match="c is alive"):
            a.replica.cluster.retire("c")
