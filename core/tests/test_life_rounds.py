"""After years of joins, leaves, deaths and restarts the state is small and the numbers exact."""

import random

from ratchet.passive import Passive
from ratchet.slot import Slot
from ratchet.snapshot import Snapshot
from small_world import Node, World

ROUNDS = 100
GRACE_S = 3600.0
VIDEO = "x"


def look(browser: Passive, node: Node) -> int:
    """The views that the browser shows once it has received a snapshot of `node`."""
    return browser.receive(_snapshot(node)).value


def _snapshot(node: Node) -> Snapshot:
    return node.replica.table.snapshot(VIDEO)


def a_round(world: World, chance: random.Random) -> set[Slot]:
    """Two nodes join; one of them dies and is retired, the other leaves; a third node restarts.

    All nodes count meanwhile. Return the slots of the processes that have ended.
    """
    dying, leaving = world.start("d"), world.start("e")
    restarting = world.alive()[0]
    world.settle_wire()
    for node in world.alive():
        world.count(node, VIDEO, chance.randrange(1, 4))
    world.settle()
    gone = {node.replica.table.own for node in (dying, leaving, restarting)}
    world.crash(dying)
    leaving.replica.leave()
    world.settle()
    assert leaving.replica.unshared() == 0
    world.crash(leaving)
    world.start(restarting.name, world.crash(restarting))
    world.alive()[0].replica.cluster.retire("d")
    world.settle()
    world.pass_time(GRACE_S)
    world.settle()
    return {slot for slot in gone if slot}


def test_after_300_generations_slots_are_those_of_the_living_and_all_numbers_are_exact() -> None:
    chance = random.Random(1)
    # Without midnights: what ends there is folded after the grace, perhaps in the next round.
    world = World(kept_days=0)
    for name in "abc":
        world.count(world.start(name, alone=not world.nodes), VIDEO, 3)
    world.settle()
    # `away` looks once, before round 0, and then after the last. `regular` looks once a round.
    away, regular = Passive(), Passive()
    for node in world.alive():
        look(away, node)
    first = away.snapshot(VIDEO).counter.value
    assert first == world.truth[VIDEO] == 9
    stored: list[Snapshot] = [away.snapshot(VIDEO)]

    gone: set[Slot] = set()
    for _ in range(ROUNDS):
        gone |= a_round(world, chance)
        living = world.alive()
        assert sorted(node.name for node in living) == ["a", "b", "c"]
        for node in living:
            assert set(node.replica.table.columns) <= {each.replica.table.own for each in living}
            assert set(node.disk.rows) <= set(node.replica.table.columns)
            assert len(node.replica.table.folded) <= 5
            assert node.replica.table.value(VIDEO) == world.truth[VIDEO]
        assert look(regular, chance.choice(living)) == world.truth[VIDEO]
        stored.append(_snapshot(chance.choice(living)))
    assert len(gone) == 3 * ROUNDS

    truth = world.truth[VIDEO]
    assert truth > 9 + 5 * ROUNDS
    assert away.snapshot(VIDEO).counter.value == first
    assert look(away, chance.choice(world.alive())) == truth
    # No snapshot of any earlier round changes the number.
    for old in chance.sample(stored, len(stored)):
        assert away.receive(old).value == truth
        assert Passive().receive(old).value <= truth
