"""Two processes of one name: the newer one goes on, the older one hands over."""

from ratchet import codec
from ratchet.cluster import HEARTBEAT_S
from ratchet.column import Row
from ratchet.frames import Rows
from ratchet.tenure import RIVAL_S
from small_world import TIDE, Packet, World, notices, slot_of, values


class TestSuperseded:
    def test_the_newer_process_of_a_name_goes_on_and_the_older_one_hands_over(self) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
        world.count(a, TIDE, 3)
        world.settle()
        twin = world.start("a", a.disk.copy())
        world.settle()
        assert "a newer process" in (a.replica.tenure.superseded or "")
        assert twin.replica.tenure.superseded is None
        a.replica.count(TIDE)
        assert a.replica.changes() is None
        assert a.replica.holdings.shared(a.replica.holdings.own_seqs())
        world.crash(a)
        world.count(twin, TIDE)
        world.finish()
        assert values(world) == {4}
        assert not any(node.replica.tenure.superseded for node in world.alive())

    def test_a_superseded_process_opens_no_slot_above_the_newer_one(self) -> None:
        world = World(grace_s=0.0)
        a, b = world.meet("a", "b")
        world.start("a", a.disk.copy())
        world.settle()
        old = slot_of(a)
        rows = Rows(old, 0, 9, False, (Row(TIDE, 1, 9),))
        world.receive(Packet(b, a, codec.encode(rows)))
        assert a.replica.table.own == old
        assert not a.replica.counting

    def test_two_processes_that_never_learn_that_the_other_is_alive_take_turns_ever_more_slowly(
        self,
    ) -> None:
        world = World(grace_s=0.0)
        a, b, c = world.meet("a", "b", "c")
        twin = world.start("a", a.disk.copy())
        # a - b - c - a: three connections apart.
        for one, two in ((a, c), (a, twin), (b, twin)):
            world.cut(one, two)
        for _ in range(600):
            world.pass_time(1)
            world.settle_wire()
            for node in world.alive():
                world.flush(node)
        assert notices(a).count("reopened") + notices(twin).count("reopened") < 20

    def test_a_newer_process_that_is_not_alive_supersedes_nobody(self) -> None:
        world = World(grace_s=0.0)
        a, b = world.meet("a", "b")
        world.count(a, TIDE, 3)
        world.settle()
        world.cut(a, b)
        # A newer process of the name starts and dies while a is not connected to it.
        twin = world.start("a", a.disk.copy())
        world.cut(a, twin)
        world.settle()
        world.crash(twin)
        world.heal()
        world.pass_time(HEARTBEAT_S)
        while world.wire:
            world.deliver()
        assert not a.replica.counting
        world.pass_time(1)
        world.pass_time(RIVAL_S)
        assert a.replica.tenure.superseded is None
        assert "reopened" in notices(a)
        world.count(a, TIDE)
        world.finish()
        assert values(world) == {4}

    def test_views_wait_until_it_is_known_whether_the_newer_process_is_alive(self) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
        world.learn_newest(a, {"a": slot_of(a).generation + 5})
        a.replica.count(TIDE)
        changes = a.replica.changes()
        assert changes is None or not changes.columns
        if changes:
            a.replica.aborted(changes)
        for _ in range(5):
            world.pass_time(1)
            world.settle_wire()
            world.flush(a)
        assert a.replica.table.value(TIDE) == 1

    def test_a_process_that_receives_its_own_rows_from_a_copy_of_its_disk_goes_on(self) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
        a.replica.count(TIDE)
        world.begin_write(a)
        world.reach_disk(a)
        # The disk is copied before the process knows that it has written the view.
        twin = world.start("a", a.disk.copy())
        for _ in range(3):
            world.pass_time(HEARTBEAT_S)
            world.settle_wire(write=False)
            world.flush(twin)
        world.confirm(a)
        world.settle_wire()
        world.crash(a)
        world.finish()
        assert values(world) == {1}
