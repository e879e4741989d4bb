"""Names that have gone are forgotten: a floor stands for all of them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from ratchet import codec, snapshot, strict_json
from ratchet.changes import Changes
from ratchet.frames import Digest, Versions
from ratchet.generations import Generations
from ratchet.names import Invalid
from ratchet.passive import Passive
from simulation.disk import Disk
from small_world import BEGIN_MS, TIDE, Node, World, slot_of

RETENTION_S = 1000.0


def quick() -> World:
    """A world in which names are forgotten soon."""
    return World(grace_s=10.0, retention_s=RETENTION_S, spare_names=2)


def pass_by(world: World, *names: str, views: int = 1) -> list[Disk]:
    """Nodes start, count, leave, and are folded. Return their disks."""
    disks = []
    for name in names:
        node = world.start(name)
        world.settle()
        world.count(node, TIDE, views)
        world.settle()
        disks.append(node.disk.copy())
        world.leave(node)
        world.settle()
    world.pass_time(11.0)
    world.settle()
    return disks


def grow_old(world: World) -> None:
    world.pass_time(RETENTION_S)
    world.settle()


def kinds(node: Node) -> list[str]:
    return [notice.kind for notice in node.replica.notices.take()]


def listed(node: Node) -> set[str]:
    """The names in its maps."""
    table = node.replica.table
    maps = (table.newest, table.closed, table.folded)
    return {name for each in maps for name in each.names()} | table.lifted_views.keys()


class TestNamesThatHaveGone:
    def test_are_forgotten_by_all_nodes_when_the_retention_is_over(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        pass_by(world, "x", "y", "z")
        assert {"x", "y", "z"} < listed(a)
        last = a.replica.table.newest["z"]
        grow_old(world)
        assert listed(a) == listed(b) == {"a", "b"}
        assert a.replica.table.folded.floor == last
        assert [a.replica.table.value(TIDE), b.replica.table.value(TIDE)] == [3, 3]
        assert "forgotten" in kinds(a) + kinds(b)
        world.assert_equal()

    def test_stay_while_they_are_few(self) -> None:
        world = quick()
        a, _ = world.meet("a", "b")
        pass_by(world, "x", "y")
        grow_old(world)
        assert listed(a) == {"a", "b", "x", "y"}

    def test_are_forgotten_although_they_have_never_counted(self) -> None:
        world = quick()
        a, _ = world.meet("a", "b")
        for name in ("x", "y", "z"):
            world.leave(world.start(name))
            world.settle()
        grow_old(world)
        assert listed(a) == {"a", "b"}

    def test_stay_forgotten_after_restarts(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        pass_by(world, "x", "y", "z")
        grow_old(world)
        a, b = (world.start(node.name, world.crash(node)) for node in (a, b))
        assert a.replica.table.folded.floor > 0
        world.settle()
        assert listed(a) == listed(b) == {"a", "b"}
        assert b.replica.table.value(TIDE) == 3

    def test_stay_while_a_member_is_missing(self) -> None:
        world = quick()
        a, b, c = world.meet("a", "b", "c")
        pass_by(world, "x", "y", "z")
        disk = world.crash(c)
        grow_old(world)
        assert {"x", "y", "z"} < listed(a)
        world.start("c", disk)
        world.settle()
        assert listed(a) == listed(b) == {"a", "b", "c"}

    def test_stay_while_a_member_knows_no_floors(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        pass_by(world, "x", "y", "z")
        for one, other in ((a, b), (b, a)):
            peer = one.replica.peers.by_process[other.process]
            peer.hello = replace(peer.hello, versions=Versions(1, 1))
        grow_old(world)
        assert {"x", "y", "z"} < listed(a)

    def test_stay_while_a_member_sends_nothing(self) -> None:
        world = quick()
        a, _, c = world.meet("a", "b", "c")
        pass_by(world, "x", "y", "z")
        world.pass_time(RETENTION_S)
        for _ in range(8):
            world.pass_time(1.0)
            world.wire = [packet for packet in world.wire if packet.sender is not c]
            world.settle_wire()
            world.wire.clear()
        assert {"x", "y", "z"} < listed(a)

    def test_stay_until_a_process_that_was_paused_has_heard_the_others_again(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        pass_by(world, "x", "y", "z")
        a.replica.tick(world.now + RETENTION_S)
        assert {"x", "y", "z"} < listed(a)
        # What b had sent before the pause comes in, and is no news of now.
        a.replica.receive(b.replica.digest(), b.process, world.now + RETENTION_S)
        a.replica.tick(world.now + RETENTION_S + 1)
        assert {"x", "y", "z"} < listed(a)


class TestANodeThatIsOlderThanTheFloor:
    def test_goes_on_in_its_slot(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        world.count(a, TIDE, 5)
        pass_by(world, "x", "y", "z")
        grow_old(world)
        own = slot_of(a)
        assert own.generation < a.replica.table.folded.floor
        world.count(a, TIDE, 5)
        world.settle()
        assert b.replica.table.snapshot(TIDE).counter.slots == {own: 10}
        assert slot_of(a) == own

    def test_goes_on_in_its_slot_when_it_meets_others_again(self) -> None:
        world = quick()
        a, b, c = world.meet("a", "b", "c")
        pass_by(world, "x", "y", "z")
        grow_old(world)
        own = [slot_of(node) for node in (a, b)]
        assert max(own)[1] < a.replica.table.folded.floor
        world.cut(a, b)
        world.settle()
        world.heal()
        world.settle()
        world.start("c", world.crash(c))
        world.settle()
        world.pass_time(10.0)
        world.settle()
        assert [slot_of(a), slot_of(b)] == own
        assert [node.replica.table.newest[node.name] for node in (a, b)] == [n for _, n in own]
        assert "reopened" not in kinds(a) + kinds(b)

    def test_is_missing_when_it_is_gone_and_is_folded_when_it_is_retired(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        world.count(a, TIDE, 5)
        pass_by(world, "x", "y", "z")
        grow_old(world)
        world.crash(a)
        world.settle()
        assert [one.member.node for one in b.replica.observe().members] == ["b", "a"]
        b.replica.cluster.retire("a")
        world.settle()
        world.pass_time(11.0)
        world.settle()
        assert b.replica.table.snapshot(TIDE).counter.slots == {}
        assert b.replica.table.value(TIDE) == 8

    def test_that_has_to_open_another_slot_opens_one_of_now(self) -> None:
        # With the generation of its start, the slot would be below floors that others may raise
        # before they know the slot.
        world = quick()
        a, b = world.meet("a", "b")
        world.pass_time(RETENTION_S)
        world.settle()
        started = slot_of(b).generation
        world.cut(a, b)
        world.settle()
        a.replica.cluster.retire("b")
        world.heal()
        world.settle()
        assert slot_of(b).generation - started >= RETENTION_S * 1e6


class TestANameThatComesBack:
    def test_opens_its_slot_above_the_floor_although_its_clock_is_behind(self) -> None:
        world = quick()
        a, _ = world.meet("a", "b")
        pass_by(world, "x", "y", "z")
        grow_old(world)
        x = world.start("x", clock_ms=1)
        world.settle()
        assert slot_of(x).generation > a.replica.table.newest.floor
        world.count(x, TIDE)
        world.settle()
        assert a.replica.table.value(TIDE) == 4

    def test_with_its_old_disk_counts_nothing_twice_and_says_what_may_be_lost(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        disk, *_ = pass_by(world, "x", "y", "z", views=4)
        grow_old(world)
        x = world.start("x", disk)
        world.settle()
        assert [node.replica.table.value(TIDE) for node in (a, b, x)] == [12, 12, 12]
        (text,) = [notice.text for notice in x.replica.notices.take() if notice.kind == "unseen"]
        assert "of its 4 views" in text

    def test_is_a_member_from_its_hello_on(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        pass_by(world, "x", "y", "z")
        grow_old(world)
        x = world.start("x")
        world.lose_all()
        world.crash(x)
        world.settle()
        missing = [one.member for one in b.replica.observe().members if one.member.process is None]
        assert [(one.node, one.slot) for one in missing] == [("x", None)]
        b.replica.cluster.retire("x")
        world.settle()
        assert not a.replica.members.missing_s(world.now)

    def test_is_still_one_if_the_floor_rises_before_its_first_digest(self) -> None:
        world = quick()
        a, b = world.meet("a", "b")
        pass_by(world, "x", "y", "z")
        late = world.start("late")
        world.lose_all()
        # Another node has raised the floor before it met the late one.
        floor = a.replica.table.newest["z"]
        old = {"*": floor, **dict.fromkeys(("a", "b"), 0)}
        world.learn_folded(b, old)
        world.pass_time(1.0)
        assert b.replica.table.newest["late"] > floor
        world.crash(late)
        world.settle()
        assert "late" in b.replica.members.missing_s(world.now)


def alone_with_views(world: World) -> Disk:
    """A node counts 7 views, meets nobody, and stops. Return its disk."""
    alone = world.start("alone", alone=True)
    world.pass_time(3.0)
    world.count(alone, TIDE, 7)
    return world.crash(alone)


def test_a_node_that_met_nobody_for_the_retention_counts_nothing_twice_and_says_so() -> None:
    world = quick()
    a, b = world.meet("a", "b")
    disk = alone_with_views(world)
    pass_by(world, "x", "y", "z")
    grow_old(world)
    alone = world.start("alone", disk)
    world.settle()
    # The others had 3 views in the base: the larger of both bases wins.
    assert {node.replica.table.value(TIDE) for node in (a, b, alone)} == {7}
    assert "unseen" in kinds(alone)
    world.count(alone, TIDE)
    world.settle()
    assert {node.replica.table.value(TIDE) for node in (a, b, alone)} == {8}


def test_a_node_that_started_after_the_names_that_are_forgotten_loses_nothing() -> None:
    world = quick()
    a, b = world.meet("a", "b")
    pass_by(world, "x", "y", "z")
    disk = alone_with_views(world)
    grow_old(world)
    assert listed(a) == {"a", "b"}
    alone = world.start("alone", disk)
    world.settle()
    assert {node.replica.table.value(TIDE) for node in (a, b, alone)} == {10}


class TestABrowser:
    def test_that_slept_through_it_lifts_what_it_had(self) -> None:
        world = quick()
        a, _ = world.meet("a", "b")
        x = world.start("x")
        world.settle()
        world.count(x, TIDE, 5)
        world.settle()
        browser = Passive()
        assert browser.receive(a.replica.table.snapshot(TIDE)).slots == {slot_of(x): 5}
        old = a.replica.table.snapshot(TIDE)
        world.leave(x)
        pass_by(world, "y", "z")
        grow_old(world)
        new = a.replica.table.snapshot(TIDE)
        assert set(new.folded) == {"*", "a", "b"}
        merged = browser.receive(new)
        assert (merged.value, merged.slots) == (7, {})
        # And a snapshot from before, from a node that has been asleep as well, adds nothing.
        assert browser.receive(old).value == 7

    def test_stores_and_sends_the_floor_as_text(self) -> None:
        folded = Generations({"*": 20, "a": 31, "b": 7})
        browser = Passive()
        browser.folded = folded
        text = strict_json.dumps(snapshot.encode(browser.snapshot(TIDE)))
        assert '"folded":{"*":20,"a":31,"b":7}' in text
        assert snapshot.decode(text).folded == folded


class TestAFloorFromOutside:
    @pytest.mark.parametrize("name", ["**", "* ", "*a", ""])
    def test_has_no_other_name_than_a_star(self, name: str) -> None:
        with pytest.raises(Invalid):
            snapshot.decode_generations({name: 1})

    def test_lists_no_name_that_is_at_the_floor(self) -> None:
        assert snapshot.decode_generations({"a": 5, "*": 5, "b": 3}) == {"*": 5, "b": 3}

    def test_is_the_same_in_all_maps_of_a_digest(self) -> None:
        low, high = Generations({"*": 1}), Generations({"*": 2})
        Digest(None, {}, high, high, high, {}, 0, {})
        for newest, closed, folded in ((high, low, low), (high, high, low), (low, low, high)):
            with pytest.raises(Invalid, match="one floor"):
                Digest(None, {}, newest, closed, folded, {}, 0, {})

    def test_leaves_no_name_folded_beyond_its_closing(self) -> None:
        floor, below = Generations({"*": 9}), Generations({"*": 9, "a": 3})
        Digest(None, {}, floor, floor, below, {}, 0, {})
        with pytest.raises(Invalid, match="only closed slots are folded"):
            Digest(None, {}, floor, below, floor, {}, 0, {})


def test_after_20_000_names_have_come_and_gone_a_digest_is_small_again() -> None:
    world = World(grace_s=10.0, retention_s=RETENTION_S)
    a, b = world.meet("a", "b")
    world.count(a, TIDE)
    for part in _containers(20_000):
        for node in (a, b):
            node.replica.table.restore(part)
    world.pass_time(1.0)
    assert a.replica.observe().digest_fill > 1
    grow_old(world)
    for node in (a, b):
        assert listed(node) == {"a", "b"}
        assert len(codec.encode(node.replica.digest())) < 1000
        assert node.replica.observe().digest_fill < 0.01
        assert len(node.disk.newest) == len(node.disk.closed) == len(node.disk.folded) == 3


def _containers(names: int) -> Iterator[Changes]:
    """What a disk knows of so many nodes: each has counted one view, and is in the base."""
    start = BEGIN_MS * 1000
    for at in range(0, names, 1000):
        gone = {f"container-{n:06}": start + 1000 * n for n in range(at, at + 1000)}
        yield Changes(newest=gone, closed=gone, folded=gone, lifted_views=dict.fromkeys(gone, 1))
    yield Changes(base=((TIDE, names),))
