"""Who leaves hands its pending views over. No frame that is late, and no crash, doubles or loses
them."""

from collections.abc import Callable

import pytest
from ratchet import retries
from ratchet.frames import Frame, Rows, TellKeys
from small_world import TIDE, Node, Packet, World

KEY = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
def world() -> World:
    return World(grace_s=60.0)


@pytest.fixture
def nodes(world: World) -> list[Node]:
    nodes = world.meet("a", "b", "c")
    world.pass_quietly(2 * retries.NEW_S)
    return nodes


def deliver_but(world: World, held: Callable[[Packet], bool]) -> list[Packet]:
    """Deliver everything on the wire, but for what is held. Returns that."""
    kept: list[Packet] = []
    while world.wire:
        if held(world.wire[0]):
            kept.append(world.wire.pop(0))
            continue
        world.deliver()
        for node in world.alive():
            world.flush(node)
    return kept


def is_to(receiver: Node, *kinds: type[Frame]) -> Callable[[Packet], bool]:
    return lambda packet: packet.receiver is receiver and isinstance(packet.frame, kinds)


def test_who_took_over_waits_for_the_next_process_of_who_did_not_know(
    world: World, nodes: list[Node]
) -> None:
    a, b, c = nodes
    world.cut(a, c)
    world.retry(a, KEY)
    world.settle_wire()
    world.cut(b, c)
    a.replica.leave()
    for _ in range(3):
        world.pass_time(1.0)
        world.flush(a)
        deliver_but(world, is_to(a, TellKeys))
    # `b` has taken it over, and `a` is killed before it hears that. Its next process counts it.
    assert b.disk.pending[KEY].behind
    again = world.start("a", world.crash(a))
    while not world.truth[TIDE]:
        world.pass_time(1.0)
        world.flush(again)
        deliver_but(world, is_to(b, TellKeys, Rows))
    assert KEY in b.disk.pending
    world.crash(again)
    world.heal()
    world.pass_quietly(20)
    assert world.truth[TIDE] == 1


def test_who_leaves_believes_no_answer_from_before_that(world: World, nodes: list[Node]) -> None:
    a, b, c = nodes
    world.cut_off(c)
    world.retry(a, KEY)
    world.settle_wire()
    world.retry(b, KEY)
    # `a` says that the view is pending there, and that is late. Then `a` hands it over to `b`.
    late = deliver_but(world, is_to(b, TellKeys))
    a.replica.leave()
    while KEY in a.disk.pending:
        world.pass_time(0.25)
        world.settle_wire()
        world.flush(a)
    b.replica.leave()
    world.pass_time(0.25)
    world.flush(b)
    world.lose_all()
    world.wire += late
    world.settle_wire()
    assert KEY in b.disk.pending


def test_who_leaves_takes_nothing_over(world: World, nodes: list[Node]) -> None:
    a, b, c = nodes
    world.cut_off(c)
    world.retry(a, KEY)
    world.settle_wire()
    world.retry(b, KEY)
    world.settle_wire()
    for node in (a, b):
        node.replica.leave()
        node.replica.retries.leave()
        world.flush(node)
    # Neither has heard yet that the other leaves.
    world.lose_all()
    for node in (a, b):
        world.send(node, node.replica.retries.beat(0))
    world.settle_wire()
    assert KEY in a.disk.pending
    assert KEY in b.disk.pending


def test_a_view_that_counts_while_its_node_leaves_is_no_longer_pending(
    world: World, nodes: list[Node]
) -> None:
    a, b, c = nodes
    world.cut(a, c)
    world.retry(a, KEY)
    world.settle_wire()
    world.heal()
    while KEY not in (a.writing.counted if a.writing else ()):
        if a.writing:
            world.reach_disk(a)
            world.confirm(a)
        world.pass_time(0.25)
        while world.wire:
            world.deliver()
            for node in (b, c):
                world.flush(node)
        world.begin_write(a)
    a.replica.retries.leave()
    world.reach_disk(a)
    world.confirm(a)
    world.flush(a)
    assert a.disk.pending == {}


def test_a_write_that_fails_while_its_node_leaves_keeps_the_view(
    world: World, nodes: list[Node]
) -> None:
    a, _, c = nodes
    world.cut(a, c)
    world.retry(a, KEY)
    world.settle_wire()
    a.replica.retries.leave()
    world.begin_write(a)
    world.fail_write(a)
    world.flush(a)
    assert a.disk.pending[KEY].behind


def test_who_takes_over_waits_behind_rivals_although_its_promise_has_expired(
    world: World, nodes: list[Node]
) -> None:
    a, b, c = nodes
    for node in (b, c):
        node.unmet = 1
    world.pass_quietly(2)
    world.retry(b, KEY)
    world.retry(c, KEY)
    world.settle_wire()
    world.pass_quietly(3)
    assert a.disk.keys.pop(KEY) is None
    c.replica.leave()
    world.pass_quietly(3)
    assert c.disk.pending == {}
    b.unmet = 0
    world.pass_quietly(20)
    assert world.truth[TIDE] == 1
