"""What a replica knows to be on the disks of its peers."""

from small_world import TIDE, World


class TestHoldings:
    def test_count_what_a_broken_transfer_has_left_as_not_handed_over(self) -> None:
        world = World(grace_s=0.0, chunk=2)
        a, b, c = world.meet("a", "b", "c")
        world.cut_off(a)
        for number in range(5):
            world.count(a, f"video-{number}")
        world.cuts.discard(frozenset((a.process, b.process)))
        world.connect(a, b)
        while not b.replica.table.value("video-0"):
            world.deliver()
            world.flush(b)
        # b has two rows, and claims none. Nobody else will ever have the others.
        world.crash(a)
        assert b.replica.unshared() > 0
        world.settle()
        assert b.replica.unshared() == 0
        assert c.replica.table.value("video-0") == 1

    def test_know_without_a_digest_that_a_peer_has_rows_on_disk(self) -> None:
        world = World(grace_s=0.0)
        a, b = world.meet("a", "b")
        a.replica.count(TIDE)
        changes = a.replica.changes(confirm=True)
        assert changes
        a.disk.write(changes)
        world.send(a, a.replica.committed(changes))
        seqs = a.replica.holdings.own_seqs()
        world.settle_wire(write=False)
        assert not a.replica.holdings.shared(seqs)
        world.flush(b)
        world.settle_wire()
        assert a.replica.holdings.shared(seqs)

    def test_know_it_when_peers_are_asked_to_confirm(self) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
        world.count(a, TIDE)
        world.settle_wire()
        seqs = a.replica.holdings.own_seqs()
        assert not a.replica.holdings.shared(seqs)
        world.send(a, a.replica.ask_to_confirm())
        world.settle_wire()
        assert a.replica.holdings.shared(seqs)
