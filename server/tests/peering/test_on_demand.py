"""A peer on a bus that sends much is dialled for a while, and hung up then."""

from ratchet.frames import Hello
from ratchet_server.peering.addresses import Addresses
from ratchet_server.peering.on_demand import MOST, STAY_S, OnDemand

ME = Hello("a", "a" * 16, "http://a:1")
PEERS = [Hello(f"n{n}", f"{n:016x}", f"http://n{n}:1/") for n in range(MOST + 1)]


class TestAPeerThatSendsMuch:
    def test_is_dialled_for_a_while_after_its_last_part_and_hung_up_then(self) -> None:
        now = 100.0
        on_demand = OnDemand(lambda: now)
        addresses = Addresses(ME, [on_demand], lambda _node: False)
        peer = PEERS[0]
        on_demand.want(peer)
        addresses.look(())
        (dialled,) = addresses.all
        assert (dialled.url, dialled.node, dialled.process) == ("http://n0:1", "n0", peer.process)
        assert addresses.answered(dialled, peer, known=True)
        dialled.connected = True
        now += STAY_S - 1
        on_demand.want(peer)
        now += STAY_S - 1
        addresses.look({peer.process})
        assert addresses.all == [dialled]
        now += 1
        addresses.look({peer.process})
        assert addresses.all == []
        # It may send much again.
        on_demand.want(peer)
        addresses.look(())
        assert len(addresses.all) == 1

    def test_is_one_of_a_few(self) -> None:
        now = 100.0
        on_demand = OnDemand(lambda: now)
        for peer in PEERS:
            on_demand.want(peer)
        assert {one.process for one in on_demand.seen()} == {one.process for one in PEERS[:MOST]}
        now += STAY_S
        on_demand.want(PEERS[MOST])
        assert [one.process for one in on_demand.seen()] == [PEERS[MOST].process]

    def test_holds_up_no_fold_and_no_start(self) -> None:
        on_demand = OnDemand()
        on_demand.want(PEERS[0])
        addresses = Addresses(ME, [on_demand], lambda _node: False)
        assert addresses.unmet([]) == 0
        assert addresses.unfound(lambda _process: False, 0.0) == 0
        assert addresses.has_looked()
