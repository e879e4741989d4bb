"""What a replica knows to be on the disks of its peers."""

from small_world import TIDE, World


class TestSharing:
    def test_what_a_peer_has_on_disk_is_known_without_a_digest(self) -> None:
        world = World(grace_s=0.0)
        a, b = world.meet("a", "b")
        a.replica.count(TIDE)
        changes = a.replica.changes(confirm=True)
        assert changes
        a.disk.write(changes)
        world.send(a, a.replica.committed(changes))
        extents = a.replica.holdings.own_seqs()
        world.settle_wire(write=False)
        assert not a.replica.holdings.shared(extents)
        world.flush(b)
        world.settle_wire()
        assert a.replica.holdings.shared(extents)

    def test_peers_can_be_asked(self) -> None:
        world = World(grace_s=0.0)
        a, _ = world.meet("a", "b")
        world.count(a, TIDE)
        world.settle_wire()
        extents = a.replica.holdings.own_seqs()
        assert not a.replica.holdings.shared(extents)
        world.send(a, a.replica.ask_to_confirm())
        world.settle_wire()
        assert a.replica.holdings.shared(extents)
