"""An observation shows what a replica knows of the cluster, and shares no state with it."""

from dataclasses import FrozenInstanceError

import pytest
from ratchet import retries
from ratchet.tenure import State
from small_world import BEGIN_MS, TIDE, meet, slot_of


def test_shows_the_members_and_how_many_rows_each_lacks() -> None:
    world, (a, _) = meet("a", "b")
    world.count(a, TIDE, 3)
    seen = a.replica.observe()
    assert (seen.node, seen.process, seen.slot, seen.state) == (
        "a", a.process, slot_of(a), State.OPEN,
    )  # fmt: skip
    here, other = seen.members
    assert (here.member.node, here.member.state, here.behind, here.ahead) == (
        "a", "here", None, None,
    )  # fmt: skip
    assert (other.member.node, other.member.state, other.behind, other.ahead) == (
        "b", "connected", 1, 0,
    )  # fmt: skip
    world.settle()
    assert [member.behind for member in a.replica.observe().members] == [None, 0]


def test_shows_which_nodes_have_a_slot_on_disk() -> None:
    world, (a, b) = meet("a", "b")
    world.count(a, TIDE, 3)
    world.settle()
    slots = {each.slot: each for each in b.replica.observe().slots}
    of_a = slots[slot_of(a)]
    assert (of_a.state, of_a.videos, of_a.views, of_a.complete) == ("open", 1, 3, 1)
    assert of_a.held == {"a": 1, "b": 1}
    # No view was counted in it yet; it is open all the same.
    assert slots[slot_of(b)].views == 0


def test_shows_for_how_long_a_slot_is_closed_and_what_is_in_the_way_of_folding_it() -> None:
    world, (a, b) = meet("a", "b")
    world.count(a, TIDE)
    old = slot_of(a)
    world.settle()
    a = world.start("a", world.crash(a))
    world.settle()
    world.pass_time(100)
    world.settle()
    seen = b.replica.observe()
    (closed,) = [each for each in seen.slots if each.state == "closed"]
    assert closed.slot == old
    assert 100 <= (closed.closed_s or 0) < 200
    (fold,) = seen.folds
    assert [obstacle.kind for obstacle in fold.obstacles] == ["grace"]


def test_shows_the_folds_and_the_base() -> None:
    world, (a, b) = meet("a", "b")
    world.count(a, TIDE, 5)
    old = slot_of(a)
    world.settle()
    a = world.start("a", world.crash(a))
    world.settle()
    world.learn_folded(b, {"a": old.generation})
    world.settle()
    seen = b.replica.observe()
    assert (seen.base_videos, seen.base_views, seen.folded["a"]) == (1, 5, old.generation)
    assert seen.fingerprint == a.replica.observe().fingerprint


def test_does_not_change_when_the_replica_does() -> None:
    world, (a, _) = meet("a", "b")
    before = a.replica.observe()
    newest, slots = dict(before.newest), before.slots
    world.count(a, TIDE)
    world.start("c")
    world.settle()
    assert (before.newest, before.slots) == (newest, slots)
    with pytest.raises(FrozenInstanceError):
        before.node = "x"  # type: ignore[misc]


KEY, OTHER = (f"00000000-0000-7000-8000-00000000000{number}" for number in (1, 2))


class TestOfPendingViews:
    def test_shows_how_many_are_pending_since_when_and_for_whom(self) -> None:
        world, (a, b, c) = meet("a", "b", "c")
        world.cut_off(c)
        world.pass_time(30)
        world.settle_wire()
        now_ms = BEGIN_MS + int(world.now * 1000)
        world.retry(a, KEY)
        world.pass_time(1)
        world.retry(a, OTHER)
        world.settle_wire()
        pending = a.replica.observe().pending
        assert (pending.views, pending.awaited, pending.unmet) == (2, {"c": 2}, 0)
        assert pending.since_ms == now_ms
        assert b.replica.observe().pending == (0, None, {}, 0)
        world.heal()
        world.settle()
        assert a.replica.observe().pending == (0, None, {}, 0)

    def test_shows_them_again_after_a_restart(self) -> None:
        world, (a, _, c) = meet("a", "b", "c")
        world.cut_off(c)
        world.pass_time(30)
        world.retry(a, KEY)
        before = a.replica.observe().pending
        again = world.start("a", world.crash(a))
        pending = again.replica.observe().pending
        assert (pending.views, pending.since_ms) == (before.views, before.since_ms) != (0, None)

    def test_looks_only_at_the_oldest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retries, "MAX_SHOWN", 1)
        world, (a, _, c) = meet("a", "b", "c")
        world.cut_off(c)
        world.pass_time(30)
        world.retry(a, KEY)
        world.retry(a, OTHER)
        world.settle_wire()
        pending = a.replica.observe().pending
        assert (pending.views, pending.awaited) == (2, {"c": 1})
