"""Identity: a cluster never splits over its ids, and no two clusters merge by accident."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Final

import pytest
import strangers
from ratchet.frames import Hello, Versions
from ratchet.identity import FOUND_S, State
from ratchet.replica import Replica
from simulation.disk import Disk
from simulation.mutants import TESTS, Mutant, broken_core
from strangers import Node, World

OLD: Final = Versions(1, 1)


def replica(node: Node) -> Replica:
    assert node.replica
    return node.replica


def started(*clusters: dict[str, tuple[str, ...]]) -> tuple[World, list[Node]]:
    """A world whose nodes all run, and have not met yet."""
    world = World(0, *clusters)
    for node in world.nodes.values():
        world.start(node)
    return world, [*world.nodes.values()]


class TestRandomWorlds:
    @pytest.mark.parametrize("seed", range(60))
    def test_nodes_that_start_at_once_are_one_cluster_in_the_end(self, seed: int) -> None:
        strangers.start_at_once(seed)

    @pytest.mark.parametrize("seed", range(10))
    def test_two_clusters_stay_apart_until_an_operator_joins_them(self, seed: int) -> None:
        strangers.two_clusters(seed)


MUTANTS: Final = (
    Mutant(
        "a node settles without the others",
        "identity",
        "            if names <= table.whole:\n",
        "            if names:\n",
    ),
    Mutant(
        "a node is whole before it has found all",
        "identity",
        "        if unfound == 0 and table.ids_on_disk:\n",
        "        if table.ids_on_disk:\n",
    ),
    Mutant(
        "a settled node joins others",
        "identity",
        "        if table.settled:\n            return False\n",
        "",
    ),
    Mutant(
        "a node drops all ids but the smallest",
        "table",
        "        self.ids.update(ids)\n        self.settled |=",
        "        self.ids = {min({*self.ids, *ids})} if ids else self.ids\n        self.settled |=",
    ),
)


# The search begins at the seed that found the mutant last.
@pytest.mark.parametrize(
    ("mutant", "seed"),
    [*zip(MUTANTS, (24, 0, 0, 0), strict=True)],
    ids=[mutant.name for mutant in MUTANTS],
)
def test_a_world_notices_that(mutant: Mutant, seed: int) -> None:
    with broken_core(mutant) as core:
        done = subprocess.run(
            [sys.executable, "strangers.py", "--runs", "100", "--seed", str(seed)],
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": str(core)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, "seed" in done.stdout) == (1, True), done.stderr


class TestADiskThatIsSlow:
    def test_nobody_is_found_before_the_common_id_is_on_both_disks(self) -> None:
        world, [a, b] = started({"a": ("b",), "b": ("a",)})
        replica(a).count("tide")
        world.dial("a", "b")
        for node in (a, b):
            world.tick(node, replica(node))
        assert replica(a).identity.state is replica(b).identity.state is State.YOUNG
        # Each has made an id, and the other does not know it.
        for node in (a, b):
            world.write(node, replica(node))
        for node in (a, b, a, b):
            world.now += 1
            world.tick(node, replica(node))
        assert replica(a).table.ids == replica(b).table.ids
        assert len(replica(a).table.ids) == 2
        world.kill(b)
        world.start(b)
        assert len(replica(b).table.ids) == 1
        world.rest()
        world.check_one_cluster()

    def test_a_process_that_dies_before_its_id_is_on_disk_takes_it_from_the_others(self) -> None:
        world, [a, b] = started({"a": (), "b": ("a",)})
        world.dial("b", "a")
        for node in (a, b):
            world.tick(node, replica(node))
        world.write(a, replica(a), how_far=0)
        world.kill(a)
        world.start(a)
        assert replica(a).identity.state is State.UNDECIDED
        replica(b).count("tide")
        world.rest()
        world.check_one_cluster()


class TestAFirstNode:
    """A node that was given no address."""

    def alone(self) -> tuple[World, Node]:
        world, [a, *_] = started({"a": ()}, {"x": ("y",), "y": ("x",)})
        replica(world.nodes["x"]).count("tide")
        for _ in range(6):
            world.rest()
        assert world.nodes["x"].disk.settled
        return world, a

    def test_that_has_counted_is_joined_by_nobody_who_has_settled(self) -> None:
        world, a = self.alone()
        replica(a).count("tide")
        world.rest()
        assert a.disk.settled
        world.nodes["x"].given += ("a",)
        world.rest()
        assert not a.ids & world.nodes["x"].ids

    def test_without_a_count_joins_those_who_find_it(self) -> None:
        world, a = self.alone()
        assert not a.disk.settled
        world.nodes["x"].given += ("a",)
        world.rest()
        assert a.ids >= world.nodes["x"].ids

    @pytest.mark.parametrize(("after_s", "joins"), [(FOUND_S - 1, True), (FOUND_S + 1, False)])
    def test_on_an_empty_disk_is_found_again_in_its_first_seconds_although_it_counts(
        self, after_s: float, joins: bool
    ) -> None:
        world, a = self.alone()
        world.kill(a)
        a.disk = Disk()
        world.start(a)
        world.tick(a, replica(a))
        world.now += 2.5
        world.tick(a, replica(a))
        replica(a).count("tide")
        for _ in range(3):
            world.write(a, replica(a))
            world.tick(a, replica(a))
        assert replica(a).table.settled
        world.now += after_s - 2.5
        world.tick(a, replica(a))
        world.dial("x", "a")
        assert (frozenset("ax") in world.links) == joins


class TestAnOlderVersion:
    def test_is_welcome_and_an_upgraded_node_joins_where_it_was_sent(self) -> None:
        world, [a, b] = started({"a": ("b",), "b": ("a",)})
        replica(a).count("tide")
        world.rest()
        assert a.disk.settled
        old = replace(replica(b).me, versions=OLD)
        assert replica(a).identity.admit(old, given=False) is None
        # Its disk has counts and no ids.
        world.kill(b)
        b.disk.ids, b.disk.settled = set(), False
        world.start(b)
        assert replica(b).identity.state is State.UNDECIDED
        world.rest()
        assert b.ids == a.ids
        assert b.disk.settled


def test_a_stranger_that_is_admitted_by_nobody_is_not_merged() -> None:
    """The driver has to end the connection. Until it has, nothing of the peer counts."""
    world, [a, x] = started({"a": ()}, {"x": ()})
    for node in (a, x):
        replica(node).count("tide")
    world.rest()
    assert a.disk.settled
    peer = replica(x).identity.introduce(None, given=False)
    assert isinstance(peer, Hello)
    replica(a).joined(peer)
    stranger = replica(a).identity.stranger(peer.process)
    assert stranger is not None
    assert str(stranger) == f"another cluster: its id is {min(x.ids)}, ours {min(a.ids)}"
    replica(a).receive(replica(x).digest(), peer.process, world.now)
    assert "x" not in replica(a).table.newest
