"""A world of nodes that find each other, or meet strangers: real replicas, and what may go wrong.

Its nodes start at once on empty disks, at random. Links are cut, and processes are killed before
and after each write. `python strangers.py` runs many such worlds. It exits with 1 if one of them
breaks a promise of `ratchet.identity`.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar

from ratchet import codec
from ratchet.changes import Changes
from ratchet.frames import Frame, Hello, Send
from ratchet.options import Options
from ratchet.replica import Replica
from simulation.disk import Disk

# After so many rounds, in each of which every process reaches all others, nothing may be open.
ROUNDS: Final = 12


F = TypeVar("F", bound=Frame)


class Broken(AssertionError):
    """A promise is broken."""


@dataclass(eq=False)
class Node:
    """A machine: its disk, the names that its operator gave it, and its process while it runs."""

    name: str
    given: tuple[str, ...]
    disk: Disk = field(default_factory=Disk)
    replica: Replica | None = None
    writing: Changes | None = None

    @property
    def ids(self) -> set[str]:
        """The ids on its disk."""
        return self.disk.ids


def _coded(frame: F) -> F:
    """The frame as its receiver gets it."""
    decoded = codec.decode(codec.encode(frame))
    assert isinstance(decoded, type(frame))
    return decoded


class World:
    """All machines, the links between their processes, and time."""

    def __init__(self, seed: int, *clusters: dict[str, tuple[str, ...]]) -> None:
        """`clusters`: the names at whose addresses each node looks for others, for the nodes of
        each cluster that is meant to be one."""
        self.chance = Random(seed)
        self.clusters = clusters
        self.nodes = {
            name: Node(name, names) for cluster in clusters for name, names in cluster.items()
        }
        self.cuts: set[frozenset[str]] = set()
        # As keys, because a set has no order, and a world must do the same again.
        self.links: dict[frozenset[str], None] = {}
        # How often each thing happens. Some worlds have slow disks, others bad networks.
        self.habits = {
            "start": 10, "kill": 4, "cut": 4, "cut off": 2, "heal": 3,
            "view": 5, "write": 30, "tick": 20, "dial": 20,
        }  # fmt: skip
        for what in self.habits:
            self.habits[what] *= self.chance.choice([1, 1, 1, 3])
        self.habits["write"] //= self.chance.choice([1, 4])
        self.now = 0.0
        self._processes = 0

    # -- processes -------------------------------------------------------------------------

    def up(self) -> Iterator[tuple[Node, Replica]]:
        for node in self.nodes.values():
            if node.replica:
                yield node, node.replica

    def start(self, node: Node) -> None:
        self._processes += 1
        replica = Replica(
            Hello(node.name, f"{self._processes:016x}", f"http://{node.name}:1"),
            lambda: 1_763_800_000_000 + int(1000 * self.now),
            self.chance.randrange,
            self.now,
            Options(sent=bool(node.given)),
        )
        for part in node.disk.read():
            replica.table.restore(part)
        node.replica, node.writing = replica, None

    def kill(self, node: Node) -> None:
        for link in [link for link in self.links if node.name in link]:
            self._unlink(link)
        node.replica = node.writing = None

    def write(self, node: Node, replica: Replica, how_far: int = 2) -> None:
        """Go on with a write: 0 begins it, 1 has it on disk, 2 lets the process know."""
        if node.writing is None:
            node.writing = replica.changes()
        if node.writing and how_far >= 1:
            node.disk.write(node.writing)
        if node.writing and how_far == 2:
            changes, node.writing = node.writing, None
            self.send(node, replica.committed(changes))

    # -- links -----------------------------------------------------------------------------

    def reaches(self, one: str, two: str) -> bool:
        ends = frozenset((one, two))
        return len(ends) == 2 and ends not in self.cuts and all(map(self._replica, ends))

    def dial(self, near: str, far: str) -> None:
        """The handshake of `near`, which dials the address of `far`."""
        dialler, dialled = self._replica(near), self._replica(far)
        if not (self.reaches(near, far) and dialler and dialled):
            return
        given = far in self.nodes[near].given
        first = _coded(dialled.identity.introduce(None, given=False))
        second = _coded(dialler.identity.introduce(first, given=given))
        # Both sides decide, whatever the other does.
        admitted = [
            dialler.identity.admit(first, given=given) is None,
            dialled.identity.admit(second, given=False) is None,
        ]
        if all(admitted) and frozenset((near, far)) not in self.links:
            self.links[frozenset((near, far))] = None
            answers = dialler.joined(first), dialled.joined(second)
            self.send(self.nodes[near], answers[0])
            self.send(self.nodes[far], answers[1])

    def send(self, node: Node, sends: Iterable[Send]) -> None:
        """Frames arrive at once, or are lost with their link."""
        assert node.replica
        for to, frame in sends:
            for other, replica in [*self.up()]:
                link = frozenset((node.name, other.name))
                if link in self.links and to in {None, replica.me.process}:
                    self._receive(node.replica, frame, other, replica)

    def _receive(self, sender: Replica, frame: Frame, node: Node, replica: Replica) -> None:
        answers = replica.receive(_coded(frame), sender.me.process, self.now)
        if replica.identity.stranger(sender.me.process):
            self._unlink(frozenset((sender.me.node, node.name)))
        else:
            self.send(node, answers)

    def cut(self, link: frozenset[str]) -> None:
        self.cuts.add(link)
        if link in self.links:
            self._unlink(link)

    def _unlink(self, link: frozenset[str]) -> None:
        self.links.pop(link, None)
        one, two = map(self._replica, link)
        if one and two:
            one.left(two.me.process)
            two.left(one.me.process)

    def _replica(self, name: str) -> Replica | None:
        return self.nodes[name].replica

    # -- time ------------------------------------------------------------------------------

    def tick(self, node: Node, replica: Replica) -> None:
        processes = {
            other.name: one.me.process for other, one in self.up() if other.name != node.name
        }
        # A mesh knows who answered at an address, even if the process is gone by now.
        found = {name for name in node.given if name == node.name}
        found |= {name for name, it in processes.items() if replica.identity.has_found(it)}
        unfound = len({*node.given} - found)
        self.send(node, replica.tick(self.now, unfound=unfound))

    def a_moment(self) -> None:
        """One thing happens somewhere."""
        chance, nodes = self.chance, [*self.nodes.values()]
        node = chance.choice(nodes)
        self.now += chance.choice([0.01, 0.3, 1.0, 3.0])
        match chance.choices([*self.habits], [*self.habits.values()])[0]:
            case "start" if node.replica is None:
                self.start(node)
            case "kill":
                self.kill(node)
            case "cut":
                self.cut(frozenset((node.name, chance.choice(nodes).name)))
            case "cut off":
                for other in nodes:
                    self.cut(frozenset((node.name, other.name)))
            case "heal":
                self.cuts.clear()
            case "view" if node.replica:
                node.replica.count("tide")
            case "write" if node.replica:
                self.write(node, node.replica, chance.choice([0, 1, 2, 2, 2]))
            case "tick" if node.replica:
                self.tick(node, node.replica)
            case "dial" if node.given:
                self.dial(node.name, chance.choice(node.given))
        self.check()

    def rest(self) -> None:
        """All start that don't run, all can reach each other, and time passes."""
        self.cuts.clear()
        for node in self.nodes.values():
            if node.replica is None:
                self.start(node)
        for _ in range(ROUNDS):
            self.now += 2.0
            for node, replica in self.up():
                self.tick(node, replica)
                # They dial those whom they were given, and those who are connected to their peers.
                alive = {one.node for one in replica.peers.alive().values()}
                for name in [*node.given, *sorted(alive - {node.name})]:
                    self.dial(node.name, name)
            for node, replica in self.up():
                self.write(node, replica)
            self.check()

    # -- promises --------------------------------------------------------------------------

    def check(self) -> None:
        """No two nodes of one cluster have settled without a common id."""
        for cluster in self.clusters:
            settled = [self.nodes[name] for name in cluster if self.nodes[name].disk.settled]
            for node in settled[1:]:
                if not node.ids & settled[0].ids:
                    raise Broken(f"{node.name} and {settled[0].name} have settled apart")

    def check_one_cluster(self) -> None:
        """After a rest: all nodes share all ids, and nobody refuses anybody."""
        ids = {node.name: node.ids for node in self.nodes.values()}
        if len({*map(frozenset, ids.values())}) > 1 or not all(ids.values()):
            raise Broken(f"not one cluster: {ids}")
        values = {node.disk.value("tide") for node in self.nodes.values()}
        if len(values) > 1:
            raise Broken(f"not one number: {values}")
        settled = {node.disk.settled for node in self.nodes.values()}
        if settled != {values != {0}}:
            raise Broken(f"with {values} views, settled: {settled}")


# -- intended clusters --------------------------------------------------------------------------


def lists(chance: Random, prefix: str = "", most: int = 5) -> dict[str, tuple[str, ...]]:
    """The addresses that an operator may give to each node of one cluster."""
    names = [f"{prefix}{letter}" for letter in "abcde"[: chance.randint(1, most)]]
    match chance.choice(["same", "others", "first", "chain", "any"]):
        case "same":
            return {name: tuple(names) for name in names}
        case "others":
            return {name: tuple(other for other in names if other != name) for name in names}
        case "first":
            return {name: () if name == names[0] else (names[0],) for name in names}
        case "chain":
            return {name: tuple(names[max(0, at - 1) : at]) for at, name in enumerate(names)}
    while True:
        given = {
            name: tuple(
                other for other in names if other != name and chance.random() < 1.5 / len(names)
            )
            for name in names
        }
        if _all_lead_to_one(given):
            return given


def _all_lead_to_one(given: dict[str, tuple[str, ...]]) -> bool:
    """Whether there is a node to which one gets from every node, from address to address."""
    reached = {name: {name} for name in given}
    for _ in given:
        for name, names in given.items():
            reached[name] |= {each for other in names for each in reached[other]}
    return bool(set.intersection(*reached.values()))


def start_at_once(seed: int) -> None:
    """The nodes of one cluster start on empty disks, while much goes wrong."""
    chance = Random(seed)
    world = World(seed, lists(chance))
    for node in world.nodes.values():
        if chance.random() < 0.7:
            world.start(node)
    for _ in range(chance.choice([20, 60, 200, 200])):
        world.a_moment()
    world.rest()
    world.check_one_cluster()


# -- two clusters -------------------------------------------------------------------------------


def two_clusters(seed: int) -> None:
    """Two clusters count, until operators give their nodes each other's addresses by mistake. Then
    an operator joins them."""
    chance = Random(seed)
    ours, theirs = lists(chance, "x", 3), lists(chance, "y", 3)
    world = World(seed, ours, theirs)
    for node, replica in _started(world):
        world.tick(node, replica)
        replica.count("tide")
    world.rest()
    for node in world.nodes.values():
        if not node.disk.settled:
            raise Broken(f"{node.name} has not settled")
    clusters = [{*ours}, {*theirs}]
    before = [_value(world, cluster) for cluster in clusters]
    for node in world.nodes.values():
        if chance.random() < 0.5:
            node.given += tuple(chance.sample([*world.nodes], 2))
        if chance.random() < 0.5:
            world.kill(node)
    near, far = chance.choice([*ours]), chance.choice([*theirs])
    world.nodes[near].given += (far,)
    for name in world.nodes:
        for far_name in world.nodes:
            world.dial(name, far_name)
    world.rest()
    after = [_value(world, cluster) for cluster in clusters]
    if after != before:
        raise Broken(f"two clusters have merged: {before} became {after}")
    via = world.nodes[chance.choice([*world.nodes])]
    foreign = world.nodes[far if via.name in ours else near]
    assert via.replica
    via.replica.identity.join(min(foreign.ids))
    # Without an address that leads there, they would not meet.
    via.given += (foreign.name,)
    world.rest()
    world.rest()
    world.check_one_cluster()


def _started(world: World) -> Iterator[tuple[Node, Replica]]:
    for node in world.nodes.values():
        world.start(node)
    world.rest()
    yield from world.up()


def _value(world: World, names: Iterable[str]) -> int:
    [value] = {world.nodes[name].disk.value("tide") for name in names}
    return value


STORIES: Final = {"start at once": start_at_once, "two clusters": two_clusters}


def main() -> int:
    """Run worlds until one breaks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--story", choices=STORIES, action="append")
    arguments = parser.parse_args()
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        for name in arguments.story or STORIES:
            story = STORIES[name]
            try:
                story(seed)
            except AssertionError as error:
                print(f"{name}, seed {seed}: {error}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
