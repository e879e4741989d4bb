"""An import counts once: sent in part, again, at once through two nodes, or after a crash."""

import random
from collections.abc import Mapping

import pytest
from ratchet.frames import Rows
from ratchet.imports import MAX_IMPORTS, TooManyImports
from ratchet.names import IMPORT
from ratchet.slot import Slot
from small_world import Node, World

ROWS: Mapping[str, int] = {"tide": 40, "moss": 2, "loom": 7}
# By then a replica has looked around for long enough.
AWAKE_S = 5


def _awake(*names: str, grace_s: float = 3600.0) -> tuple[World, list[Node]]:
    world = World(grace_s=grace_s)
    nodes = world.meet(*names)
    for _ in range(AWAKE_S):
        world.pass_time(1.0)
        world.settle_wire()
    return world, nodes


def _begin(world: World, node: Node, name: str = "old") -> None:
    """Begin an import through `node`, and wait until it takes rows."""
    for _ in range(10):
        if node.replica.imports.begin(name, world.now).state != "agreeing":
            return
        world.pass_time(1.0)
        world.flush(node)
        world.settle_wire()
    raise AssertionError(node.replica.imports.begin(name, world.now))


def _put(world: World, node: Node, rows: Mapping[str, int], name: str = "old") -> None:
    node.replica.imports.put(name, rows, world.now)
    world.flush(node)


def _end(world: World, node: Node, name: str = "old") -> None:
    node.replica.imports.end(name)
    world.flush(node)


def _values(node: Node) -> dict[str, int]:
    return {video: node.replica.table.value(video) for video in ROWS}


def _slots(node: Node) -> list[Slot]:
    columns = node.replica.table.columns
    return [slot for slot in columns if slot.node.startswith(IMPORT) and len(columns[slot])]


class TestAnImport:
    def test_reaches_all_and_is_folded_in_the_end(self) -> None:
        world, nodes = _awake("a", "b", "c", grace_s=10.0)
        _begin(world, nodes[0])
        _put(world, nodes[0], ROWS)
        _end(world, nodes[0])
        world.settle()
        assert all(_values(node) == ROWS for node in nodes)
        world.pass_time(30.0)
        world.settle()
        for node in nodes:
            assert _values(node) == ROWS
            assert not _slots(node)
            progress = node.replica.imports.begin("old", world.now)
            assert (progress.state, progress.videos, progress.views) == ("ended", None, 49)

    def test_counts_once_if_it_is_sent_again_through_another_node(self) -> None:
        world, nodes = _awake("a", "b")
        for node in nodes:
            _begin(world, node)
            _put(world, node, ROWS)
            world.settle()
        assert all(_values(node) == ROWS for node in nodes)
        assert len(_slots(nodes[0])) == 1

    def test_goes_on_through_another_node_if_the_first_one_dies(self) -> None:
        world, (a, b, c) = _awake("a", "b", "c")
        _begin(world, a)
        _put(world, a, {"tide": 40})
        world.settle()
        _put(world, a, {"moss": 2})
        # Nobody has heard of the last row, and a will not come back.
        world.lose_all()
        world.crash(a)
        _begin(world, b)
        _put(world, b, ROWS)
        _end(world, b)
        world.settle()
        assert _values(c) == _values(b) == ROWS
        # It comes back all the same.
        a = world.start("a", a.disk)
        world.settle()
        assert _values(a) == _values(b) == ROWS
        assert a.replica.table.fingerprint() == b.replica.table.fingerprint()

    def test_is_seen_once_it_is_on_disk(self) -> None:
        world, (a,) = _awake("a")
        _begin(world, a)
        a.replica.imports.put("old", ROWS, world.now)
        assert world.begin_write(a)
        assert _values(a)["tide"] == 0
        assert a.replica.imports.progress("old", world.now).views == 0
        world.fail_write(a)
        world.flush(a)
        assert _values(a)["tide"] == 0
        _put(world, a, ROWS)
        assert _values(a) == ROWS

    def test_takes_the_larger_number_of_a_video_that_comes_twice(self) -> None:
        world, (a, b) = _awake("a", "b")
        _begin(world, a)
        _put(world, a, {"tide": 40})
        _put(world, a, {"tide": 30, "moss": 2})
        a.replica.imports.put("old", {"loom": 9}, world.now)
        a.replica.imports.put("old", {"loom": 7}, world.now)
        world.flush(a)
        world.settle()
        assert _values(b) == {"tide": 40, "moss": 2, "loom": 9}

    def test_takes_rows_while_others_count(self) -> None:
        world, (a, b) = _awake("a", "b")
        _begin(world, a)
        a.replica.count("tide", 1)
        a.replica.imports.put("old", ROWS, world.now)
        world.flush(a)
        world.count(b, "tide", 3)
        world.settle()
        assert _values(a) == _values(b) == {**ROWS, "tide": 44}


class TestBeforeIt:
    def test_all_nodes_must_be_connected(self) -> None:
        world, (a, b, c) = _awake("a", "b", "c")
        world.crash(c)
        world.settle()
        progress = a.replica.imports.begin("old", world.now)
        assert (progress.state, progress.waits_for) == ("agreeing", ("c is missing",))
        # Nothing has begun.
        assert IMPORT + "old" not in a.replica.table.newest
        world.start("c", c.disk)
        for _ in range(AWAKE_S):
            world.settle()
        _begin(world, a)
        assert b.alive

    def test_all_nodes_must_have_said_that_they_know_it(self) -> None:
        world, (a, b) = _awake("a", "b")
        progress = a.replica.imports.begin("old", world.now)
        assert (progress.state, progress.waits_for) == ("agreeing", ("b does not list it yet",))
        world.settle()
        assert a.replica.imports.begin("old", world.now).state == "open"
        assert b.replica.imports.begin("old", world.now).state == "open"

    def test_a_node_that_has_just_started_waits(self) -> None:
        world, (a,) = _awake("a")
        b = world.start("b")
        assert "this node has just started" in b.replica.imports.begin("old", world.now).waits_for
        # The other one waits for its first digest.
        waits_for = a.replica.imports.begin("old", world.now).waits_for
        assert waits_for == ("b has said nothing yet",)

    def test_a_node_that_is_connected_waits_for_the_first_word_of_each(self) -> None:
        world, (a,) = _awake("a")
        _begin(world, a)
        _put(world, a, {"tide": 40})
        b = world.start("b")
        for _ in range(AWAKE_S):
            world.pass_time(1.0)
            world.lose_all()
        assert b.replica.imports.begin("old", world.now).waits_for == ("a has said nothing yet",)
        assert IMPORT + "old" not in b.replica.table.newest

    def test_rows_of_one_slot_win_over_another_one_that_is_listed(self) -> None:
        """A process that nobody knew may list the name with a larger generation."""
        world, (a, b) = _awake("a", "b", grace_s=30.0)
        _begin(world, a)
        _put(world, a, {"tide": 40})
        world.lose_all()
        [slot] = _slots(a)
        b.replica.journal.join({slot.node: slot.generation + 1})
        world.flush(b)
        for _ in range(10):
            # No rows come through.
            world.settle_wire(lose=Rows)
            world.pass_time(1.0)
            progress = b.replica.imports.begin("old", world.now)
            assert progress.state == "agreeing"
        assert progress.waits_for == ("a has rows of it that are still to come",)
        world.settle()
        for node in (b, a):
            _begin(world, node)
            _put(world, node, ROWS)
        _end(world, b)
        world.settle()
        assert _values(a) == _values(b) == ROWS
        for _ in range(3):
            assert a.replica.imports.begin("old", world.now).state == "ended"
            assert a.replica.imports.begin("old", world.now).views == 49
            # Its slot is folded; the one that was only listed never had a row.
            world.pass_time(40.0)
            world.settle()
        assert not _slots(a)
        assert not any(one.member.state == "importing" for one in a.replica.observe().members)

    def test_there_is_a_largest_number_of_them(self) -> None:
        world, (a,) = _awake("a")
        for n in range(MAX_IMPORTS):
            _begin(world, a, f"n{n}")
        with pytest.raises(TooManyImports):
            a.replica.imports.begin("more", world.now)
        assert a.replica.imports.begin("n0", world.now).state == "open"


class TestUntilItsEnd:
    def test_nothing_is_folded_and_nobody_retires_it(self) -> None:
        world = World(grace_s=10.0, retire_after_s=20.0)
        nodes = world.meet("a", "b", "c")
        for _ in range(AWAKE_S):
            world.settle()
        _begin(world, nodes[0])
        _put(world, nodes[0], {"tide": 40})
        world.count(nodes[2], "dunes")
        world.settle()
        world.crash(nodes[2])
        nodes[2] = world.start("c", nodes[2].disk)
        world.settle()
        world.pass_time(100.0)
        world.settle()
        old = IMPORT + "old"
        for node in nodes:
            seen = node.replica.observe()
            assert [one.member.state for one in seen.members if one.member.node == old] == [
                "importing"
            ]
            assert old not in seen.closed
            assert any(each.node == old for fold in seen.folds for each in fold.obstacles)
        _begin(world, nodes[1])
        _put(world, nodes[1], ROWS)
        _end(world, nodes[1])
        world.pass_time(100.0)
        world.settle()
        world.pass_time(100.0)
        world.settle()
        assert not nodes[0].replica.observe().folds
        assert all(_values(node) == ROWS for node in nodes)

    def test_an_operator_may_end_it_as_it_is(self) -> None:
        world, (a, b) = _awake("a", "b")
        _begin(world, a)
        _put(world, a, {"tide": 40})
        world.settle()
        b.replica.cluster.retire(IMPORT + "old")
        world.settle()
        progress = a.replica.imports.begin("old", world.now)
        assert (progress.state, progress.videos, progress.views) == ("ended", 1, 40)


class TestItsName:
    def test_is_never_forgotten(self) -> None:
        world = World(grace_s=1.0, retention_s=100.0, spare_names=0)
        nodes = world.meet("a", "b")
        for _ in range(AWAKE_S):
            world.settle()
        _begin(world, nodes[0])
        _put(world, nodes[0], ROWS)
        _end(world, nodes[0])
        world.leave(world.meet("c")[0])
        for _ in range(10):
            world.pass_time(100.0)
            world.settle()
        for node in nodes:
            assert "c" not in node.replica.table.newest
            assert node.replica.table.newest.floor > node.replica.table.newest[IMPORT + "old"]
            assert node.replica.imports.begin("old", world.now).state == "ended"
        _put(world, nodes[1], ROWS)
        world.settle()
        assert _values(nodes[0]) == ROWS


def gone(world: World) -> list[str]:
    """The names of which no process is alive."""
    return sorted({one.name for one in world.nodes} - {one.name for one in world.alive()})


def _unmet(world: World, node: Node) -> int:
    """At how many others a new node has met nobody, if it knows no name but its own."""
    return 0 if len(node.replica.table.newest) > 1 else len(world.alive()) - 1


def back(world: World) -> None:
    """Start a node that is gone, on its disk."""
    name = gone(world)[0]
    world.start(name, next(one.disk for one in reversed(world.nodes) if one.name == name))


@pytest.mark.parametrize("seed", range(25))
def test_it_counts_once_on_every_schedule(seed: int) -> None:
    """Nodes are cut off, frozen out, crash and come back while somebody runs one import through any
    of them, again and again."""
    chance = random.Random(seed)
    world = World(grace_s=chance.choice([3.0, 3600.0]), chunk=chance.choice([1, 2, 1000]))
    world.meet("a", "b", "c")
    last: dict[str, dict[str, int]] = {}
    ended = False
    for _ in range(150):
        node = chance.choice(world.alive())
        match chance.randrange(11):
            case 10 if len(world.alive()) < 5 and chance.random() < 0.3:
                # A new node, on an empty disk, with the addresses of all others. It may be cut off.
                new = world.start(f"new-{len(world.nodes)}", alone=chance.random() < 0.5)
                new.unmet = len(world.alive()) - 1
            case 0:
                world.cut(*chance.sample(world.alive(), 2)) if len(world.alive()) > 1 else None
            case 1:
                world.heal()
            case 2 if not gone(world):
                world.crash(node)
            case 3 if gone(world):
                back(world)
            case 4:
                world.lose_all()
            case 5 | 6 | 7:
                progress = node.replica.imports.begin("old", world.now)
                if progress.state == "open":
                    video = chance.choice([*ROWS])
                    _put(world, node, {video: ROWS[video]})
                    if node.replica.imports.progress("old", world.now).videos == len(ROWS):
                        _end(world, node)
                ended |= progress.state == "ended"
            case _:
                world.pass_time(chance.choice([0.3, 1.0, 1.0, 4.0]))
                for one in world.alive():
                    if chance.random() < 0.7:
                        world.flush(one)
                while world.wire and chance.random() < 0.95:
                    world.deliver(chance.randrange(min(3, len(world.wire))))
        for one in world.alive():
            one.unmet = min(one.unmet, _unmet(world, one))
            now = _values(one)
            assert all(now[video] <= ROWS[video] for video in ROWS), (one, now)
            before = last.get(one.process, {})
            assert all(now[video] >= before.get(video, 0) for video in ROWS)
            last[one.process] = now
    world.heal()
    while gone(world):
        back(world)
    for _ in range(AWAKE_S):
        world.pass_time(1.0)
        world.settle_wire()
    node = chance.choice(world.alive())
    _begin(world, node)
    if not ended:
        _put(world, node, ROWS)
        _end(world, node)
    world.settle()
    for one in world.alive():
        assert _values(one) == ROWS
        assert len(_slots(one)) <= 1
