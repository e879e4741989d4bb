"""The life of a slot: the table of its states, and how a process reaches each of them."""

import re
from typing import Final

import pytest
from ratchet import tenure
from ratchet.cluster import HEARTBEAT_S
from ratchet.tenure import ALONE_S, RIVAL_S, TRANSITIONS, Event, State
from small_world import TIDE, Node, World, meet, slot_of

FINAL: Final = {State.SUPERSEDED, State.LEFT}


def _state(node: Node) -> State:
    return node.replica.tenure.state


def _rivalled() -> tuple[World, Node]:
    """A node that knows of a newer process of its name, which nobody is connected to."""
    world, (a, _) = meet("a", "b")
    world.learn_newest(a, {"a": slot_of(a).generation + 5})
    return world, a


class TestTheTable:
    def test_has_a_line_for_each_state_and_no_way_out_of_the_final_ones(self) -> None:
        assert set(TRANSITIONS) == set(State)
        assert {state for state, ways in TRANSITIONS.items() if not ways} == FINAL

    def test_reaches_every_state_from_the_first(self) -> None:
        reached = {State.WAITING}
        for _ in State:
            reached |= {to for state in reached for to in TRANSITIONS[state].values()}
        assert reached == set(State)

    def test_and_the_diagram_have_the_same_states_and_events(self) -> None:
        diagram = (tenure.__doc__ or "").partition("\n- ")[0]
        assert set(re.findall(r"\b[A-Z]{4,}\b", diagram)) == {state.name for state in State}
        for event in Event:
            assert re.search(rf"\b{event.name.lower()}\b", diagram), event


class TestASlot:
    def test_waits_until_a_peer_is_met(self) -> None:
        world = World()
        a = world.start("a")
        assert _state(a) is State.WAITING
        assert a.replica.tenure.writable is None
        world.start("b")
        world.settle_wire()
        assert _state(a) is State.OPEN

    def test_opens_alone_after_a_while(self) -> None:
        world = World()
        a = world.start("a")
        world.pass_time(ALONE_S / 2)
        assert _state(a) is State.WAITING
        world.pass_time(ALONE_S / 2)
        assert _state(a) is State.OPEN
        assert a.replica.tenure.writable == slot_of(a)

    def test_is_rivalled_as_soon_as_its_process_learns_of_a_newer_one_of_its_name(self) -> None:
        _, a = _rivalled()
        assert _state(a) is State.RIVALLED
        assert not a.replica.counting

    def test_is_followed_by_another_when_the_rival_does_not_show_itself(self) -> None:
        world, a = _rivalled()
        old = slot_of(a)
        world.pass_time(HEARTBEAT_S)
        assert _state(a) is State.RIVALLED
        world.pass_time(RIVAL_S)
        assert _state(a) is State.OPEN
        assert slot_of(a).generation > old.generation + 5

    def test_is_superseded_by_a_newer_process_that_is_alive(self) -> None:
        world, (a, _) = meet("a", "b")
        world.start("a", a.disk.copy())
        world.settle()
        assert _state(a) is State.SUPERSEDED
        # There is no way back.
        a.replica.leave()
        world.pass_time(60)
        assert _state(a) is State.SUPERSEDED

    def test_that_others_have_closed_is_followed_by_another(self) -> None:
        world, (a, b) = meet("a", "b")
        world.cut(a, b)
        b.replica.cluster.retire("a")
        old = slot_of(a)
        world.heal()
        world.settle()
        assert _state(a) is State.OPEN
        assert slot_of(a).generation > old.generation

    @pytest.mark.parametrize("state", [State.WAITING, State.OPEN, State.RIVALLED])
    def test_can_be_left_in_every_state_that_is_not_final(self, state: State) -> None:
        if state is State.RIVALLED:
            world, a = _rivalled()
        elif state is State.OPEN:
            world, (a, _) = meet("a", "b")
        else:
            world = World()
            a = world.start("a")
        assert _state(a) is state
        a.replica.leave()
        world.pass_time(60)
        assert _state(a) is State.LEFT
        a.replica.count(TIDE)
        changes = a.replica.changes()
        assert changes is None or not changes.columns
