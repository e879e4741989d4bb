"""What a replica knows to be on the disks of its peers."""

from small_world import TIDE, World


class TestHoldings:
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
