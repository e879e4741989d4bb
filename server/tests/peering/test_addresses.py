"""Which addresses a node dials: the rules, without a network."""

import pytest
from ratchet.frames import Alive, Hello
from ratchet_server.peering.addresses import MOST, SHARED_S, Addresses, Dialled
from ratchet_server.peering.gossip import Gossip
from ratchet_server.peering.ports import Address, Discovery
from ratchet_server.peering.shared import ENOUGH, OFTEN_S, SELDOM_S
from ratchet_server.peering.static import Static

ME = Hello("a", "0", "http://a:1")


class TestAddresses:
    alive: dict[str, Alive]
    gone: set[str]

    @pytest.fixture
    def addresses(self) -> Addresses:
        """The addresses of a node that was given one address, and learns others from peers."""
        self.alive, self.gone = {}, set()
        discoveries: list[Discovery] = [Static(["http://b:1/"]), Gossip(lambda: self.alive)]
        return Addresses(ME, discoveries, lambda node: node in self.gone)

    def learned(self, addresses: Addresses, *linked: str) -> list[str]:
        addresses.look(linked)
        assert [one.url for one in addresses.all if not one.named] == ["http://b:1"]
        return [one.url for one in addresses.all if one.named]

    def given(self, addresses: Addresses) -> Dialled:
        return next(one for one in addresses.all if not one.named)

    def answer(self, dialled: Dialled, addresses: Addresses, node: str, process: str) -> bool:
        return addresses.answered(dialled, Hello(node, process, "http://elsewhere:1"), known=False)

    def test_a_given_address_is_not_learned(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("b", None, "http://b:1")}
        assert self.learned(addresses) == []

    def test_a_second_address_of_a_process_at_a_given_one_is_not_learned(
        self, addresses: Addresses
    ) -> None:
        assert self.answer(self.given(addresses), addresses, "b", "1")
        self.alive = {"1": Alive("b", None, "http://elsewhere:1")}
        assert self.learned(addresses) == []

    def test_a_learned_address_is_forgotten_once_its_process_answers_at_a_given_one(
        self, addresses: Addresses
    ) -> None:
        self.alive = {"1": Alive("b", None, "http://elsewhere:1")}
        assert self.learned(addresses) == ["http://elsewhere:1"]
        assert self.answer(self.given(addresses), addresses, "b", "1")
        addresses.all[1].connected = True
        assert self.learned(addresses) == ["http://elsewhere:1"]
        addresses.all[1].connected = False
        assert self.learned(addresses) == []

    @pytest.mark.parametrize(
        "url", ["", "http://c", "http://c:1/x", "ftp://c:1", "http://0.0.0.0:1", "http://[::]:1"]
    )
    def test_an_address_that_nobody_can_dial_is_not_learned(
        self, addresses: Addresses, url: str
    ) -> None:
        self.alive = {"1": Alive("c", None, url)}
        assert self.learned(addresses) == []

    def test_the_address_of_a_missing_member_is_kept(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]
        self.alive = {}
        assert self.learned(addresses) == ["http://c:1"]
        self.gone = {"c"}
        # Its slot is closed, but it is still connected, and hands over.
        assert self.learned(addresses, "1") == ["http://c:1"]
        assert self.learned(addresses) == []

    def test_an_address_is_forgotten_once_its_node_is_alive_elsewhere(
        self, addresses: Addresses
    ) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]
        self.alive = {"2": Alive("c", 6, "http://c:2")}
        assert self.learned(addresses) == ["http://c:2"]

    def test_two_processes_of_one_name_are_both_learned(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1"), "2": Alive("c", 6, "http://c:2")}
        assert self.learned(addresses) == ["http://c:1", "http://c:2"]

    @pytest.mark.parametrize(("node", "process"), [("d", "1"), ("c", ME.process)])
    def test_an_address_where_another_node_answers_is_not_learned_again(
        self, addresses: Addresses, node: str, process: str
    ) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]
        assert not self.answer(addresses.all[1], addresses, node, process)
        assert self.learned(addresses) == []
        # But it is learned again for another process.
        self.alive = {"2": Alive("d", 6, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]

    def test_an_address_stays_that_of_its_node_after_a_restart(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]
        assert self.answer(addresses.all[1], addresses, "c", "2")
        assert addresses.all[1].process == "2"
        # Peers still name the old process at first, then the new one, then a newer one still.
        for process in ("1", "2", "3"):
            self.alive = {process: Alive("c", 5, "http://c:1")}
            assert self.learned(addresses, "2") == ["http://c:1"]
            assert addresses.all[1].process == "2"
        assert self.learned(addresses) == ["http://c:1"]
        assert addresses.all[1].process == "3"

    def test_their_number_is_bounded_and_the_dead_make_room(self, addresses: Addresses) -> None:
        self.alive = {str(n): Alive(f"c{n}", 5, f"http://c:{n}") for n in range(1, 2 * MOST)}
        first = self.learned(addresses)
        assert len(first) == MOST
        assert self.learned(addresses) == first
        del self.alive["7"]
        assert first[6] not in self.learned(addresses)
        assert len(self.learned(addresses)) == MOST


class Names:
    """A discovery that knows addresses, but not which nodes are there, like the DNS."""

    looked = True
    late = False

    def __init__(self, *urls: str) -> None:
        self.urls = urls

    async def run(self, me: Hello) -> None:
        raise NotImplementedError(me)

    def seen(self) -> list[Address]:
        return [Address(url) for url in self.urls]

    def expected(self) -> tuple[str, ...]:
        return self.urls

    def has_looked(self) -> bool:
        return self.looked

    def is_late(self) -> bool:
        return self.late


class TestUnnamedAddresses:
    """Addresses that come and go, of nodes whose names are not known."""

    gone: set[str]
    names: Names

    @pytest.fixture
    def addresses(self) -> Addresses:
        """A node has answered at b's address, and none at c's."""
        self.gone, self.names = set(), Names("http://b:1", "http://c:1")
        addresses = Addresses(ME, [self.names], lambda node: node in self.gone)
        assert addresses.answered(addresses.all[0], Hello("b", "1", "http://b:1"), known=False)
        return addresses

    def dialled(self, addresses: Addresses, *linked: str) -> list[str]:
        addresses.look(linked)
        return [one.url for one in addresses.all]

    def test_one_that_disappears_is_kept_if_a_member_has_answered_there(
        self, addresses: Addresses
    ) -> None:
        self.names.urls = ("http://d:1",)
        assert self.dialled(addresses) == ["http://b:1", "http://d:1"]
        # The node at c's address is no longer expected, because the last look did not see it.
        assert addresses.unmet(["a"]) == 1
        self.gone = {"b"}
        assert self.dialled(addresses, "1") == ["http://b:1", "http://d:1"]
        assert self.dialled(addresses) == ["http://d:1"]

    def test_one_that_disappears_is_dropped_when_its_node_is_connected_at_another_one(
        self, addresses: Addresses
    ) -> None:
        self.names.urls = ("http://d:1",)
        assert self.dialled(addresses) == ["http://b:1", "http://d:1"]
        addresses.answered(addresses.all[1], Hello("b", "2", "http://d:1"), known=False)
        assert self.dialled(addresses) == ["http://b:1", "http://d:1"]
        addresses.all[1].connected = True
        assert self.dialled(addresses, "2") == ["http://d:1"]

    def test_a_look_that_finds_nobody_drops_none(self, addresses: Addresses) -> None:
        self.names.urls = ()
        assert self.dialled(addresses) == ["http://b:1", "http://c:1"]


class TestUnmet:
    """The number of given addresses at which there may be an unknown node."""

    @pytest.fixture
    def addresses(self) -> Addresses:
        alive = {"9": Alive("c", 5, "http://learned:1")}
        discoveries: list[Discovery] = [
            Static(["http://x:1", "http://y:1", "http://z:1"]),
            Gossip(lambda: alive),
        ]
        return Addresses(ME, discoveries, lambda _node: False)

    def test_counts_the_addresses_where_no_node_has_ever_answered(
        self, addresses: Addresses
    ) -> None:
        assert addresses.unmet(["a"]) == 3
        addresses.answered(addresses.all[0], Hello("b", "1", ""), known=False)
        assert addresses.unmet(["a", "b"]) == 2
        # That node stays met, whatever happens to it.
        addresses.look(())
        assert addresses.unmet(["a", "b"]) == 2

    def test_leaves_out_one_for_each_name_that_has_answered_nowhere(
        self, addresses: Addresses
    ) -> None:
        assert addresses.unmet(["a", "d"]) == 2
        assert addresses.unmet(["a", "b", "d", "e", "f"]) == 0

    def test_leaves_out_the_address_of_this_very_process(self, addresses: Addresses) -> None:
        first = addresses.all[0]
        addresses.answered(first, Hello("a", ME.process, first.url), known=False)
        assert addresses.unmet(["a"]) == 2


class TestASharedAddress:
    """An address where nodes answer that have URLs of their own."""

    @pytest.fixture
    def addresses(self) -> Addresses:
        return Addresses(ME, [Static(["http://all:1"])], lambda _node: False)

    def ask(self, addresses: Addresses, node: str, *, known: bool) -> bool:
        again = Dialled(Address("http://all:1"), again=True)
        hello = ME if node == "a" else Hello(node, node, f"http://{node}:1")
        return addresses.answered(again, hello, known=known)

    def test_counts_as_unmet_until_enough_answers_in_a_row_brought_nobody_new(
        self, addresses: Addresses
    ) -> None:
        assert addresses.unmet(["a"]) == 1
        for known, node in [(False, "b"), *[(True, "b")] * (ENOUGH - 1), (False, "c")]:
            assert self.ask(addresses, node, known=known)
            assert addresses.unmet("abc") == 1
        for _ in range(ENOUGH):
            assert addresses.shared.pause_s("http://all:1") == OFTEN_S
            assert addresses.unmet("abc") == 1
            self.ask(addresses, "b", known=True)
        assert addresses.unmet("abc") == 0
        assert addresses.shared.pause_s("http://all:1") == SELDOM_S

    def test_no_longer_counts_as_unmet_when_nobody_answers_there_any_more(
        self, addresses: Addresses
    ) -> None:
        assert self.ask(addresses, "b", known=False)
        for _ in range(ENOUGH):
            assert addresses.unmet("ab") == 1
            addresses.shared.failed("http://all:1")
        assert addresses.unmet("ab") == 0

    def test_is_asked_again_when_this_very_process_answers(self, addresses: Addresses) -> None:
        assert not addresses.answered(addresses.all[0], ME, known=False)
        assert addresses.all == []
        assert [*addresses.shared.urls] == ["http://all:1"]
        for _ in range(ENOUGH - 1):
            assert addresses.unmet(["a"]) == 1
            assert not self.ask(addresses, "a", known=False)
        assert addresses.unmet(["a"]) == 0

    def test_stays_dialled_when_this_very_process_answers_another_ask(
        self, addresses: Addresses
    ) -> None:
        hello = Hello("b", "b", "http://b:1")
        assert addresses.answered(addresses.all[0], hello, known=False)
        assert not self.ask(addresses, "a", known=False)
        assert [one.node for one in addresses.all] == ["b"]

    def test_is_one_only_if_the_node_there_does_not_call_it_its_own(
        self, addresses: Addresses
    ) -> None:
        own = Hello("b", "b", "http://all:1")
        assert addresses.answered(addresses.all[0], own, known=False)
        assert not addresses.shared.urls
        assert addresses.unmet("ab") == 0

    def test_is_forgotten_when_no_discovery_sees_it_any_more(self) -> None:
        names = Names("http://all:1")
        addresses = Addresses(ME, [names], lambda _node: False)
        self.ask(addresses, "b", known=False)
        names.urls = ()
        addresses.look(())
        assert [*addresses.shared.urls] == ["http://all:1"]
        names.urls = ("http://b:1",)
        addresses.look(())
        assert not addresses.shared.urls


class TestUnfound:
    """At how many given addresses a node has not found its cluster."""

    @pytest.fixture
    def addresses(self) -> Addresses:
        return Addresses(ME, [Static(["http://b:1", "http://all:1/"])], lambda _node: False)

    def answer(self, addresses: Addresses, url: str, hello: Hello) -> None:
        dialled = next(one for one in addresses.all if one.url == url)
        addresses.answered(dialled, hello, known=False)

    def test_counts_those_where_nobody_of_the_cluster_has_answered(
        self, addresses: Addresses
    ) -> None:
        assert addresses.unfound(lambda _process: True, 0) == 2
        self.answer(addresses, "http://b:1", Hello("b", "1", "http://b:1"))
        assert addresses.unfound(lambda _process: False, 0) == 2
        assert addresses.unfound(lambda process: process == "1", 0) == 1

    def test_counts_an_address_that_several_nodes_may_share_for_a_while(
        self, addresses: Addresses
    ) -> None:
        self.answer(addresses, "http://b:1", Hello("b", "1", "http://b:1"))
        for hello in (ME, Hello("b", "1", "http://b:1")):
            fresh = Addresses(ME, [Static(["http://all:1/"])], lambda _node: False)
            self.answer(fresh, "http://all:1", hello)
            # It is asked again until that has brought nobody new for some times.
            assert fresh.unfound(lambda _process: True, SHARED_S) == 1
            for _ in range(ENOUGH):
                again = Dialled(Address("http://all:1"), again=True)
                fresh.answered(again, hello, known=True)
            assert fresh.unfound(lambda _process: True, SHARED_S - 1) == 1
            assert fresh.unfound(lambda _process: True, SHARED_S) == 0

    def test_does_not_count_the_address_of_this_very_process(self) -> None:
        addresses = Addresses(ME, [Static(["http://a:1/"])], lambda _node: False)
        self.answer(addresses, "http://a:1", ME)
        assert addresses.unfound(lambda _process: False, 0) == 0


class TestARegistry:
    """Addresses with names that the operator's registry has."""

    class Entries(Names):
        """What a registry has."""

        def __init__(self, *entries: Address) -> None:
            super().__init__(*(one.url for one in entries))
            self.entries = [*entries]

        def seen(self) -> list[Address]:
            return self.entries

    B, C = Address("http://b:1", "b", "1"), Address("http://c:1", "c", "2")

    def make(self, *entries: Address) -> tuple[Addresses, "TestARegistry.Entries"]:
        entries_ = self.Entries(*entries)
        member = {"a", "b"}
        return (
            Addresses(ME, [entries_], lambda _node: False, member=member.__contains__),
            entries_,
        )

    def test_leads_a_node_to_others_as_an_operator_does(self) -> None:
        addresses, _ = self.make(self.B)
        (dialled,) = addresses.all
        assert dialled.named
        assert addresses.is_given(dialled)

    def test_has_unmet_nodes_until_each_name_is_known(self) -> None:
        addresses, _ = self.make(self.B, self.C)
        assert addresses.unmet(["a"]) == 2
        assert addresses.unmet(["a", "b"]) == 1
        # Another name does not stand for one of them.
        assert addresses.unmet(["a", "b", "d"]) == 1
        assert addresses.unmet(["a", "b", "c"]) == 0

    def test_counts_a_process_as_found_that_has_dialled_us(self) -> None:
        addresses, _ = self.make(self.B, self.C)
        assert addresses.unfound(lambda _process: False, 0) == 2
        assert addresses.unfound(lambda process: process == "1", 0) == 1

    def test_does_not_wait_for_a_node_whose_address_another_one_has_now(self) -> None:
        addresses, _ = self.make(self.B)
        addresses.answered(addresses.all[0], Hello("x", "9", "http://b:1"), known=False)
        assert addresses.all == []
        assert addresses.unmet(["a"]) == 0
        assert addresses.unfound(lambda _process: False, 0) == 0

    def test_does_not_lead_to_this_process_under_the_name_of_its_last_one(self) -> None:
        addresses, _ = self.make(Address("http://a:1", "a", "old"))
        assert not addresses.answered(addresses.all[0], ME, known=False)
        assert addresses.all == []
        assert addresses.unfound(lambda _process: False, 0) == 0

    def test_that_has_not_answered_yet_may_have_nodes_that_nobody_has_met(self) -> None:
        addresses, entries = self.make()
        assert addresses.unmet(["a"]) == addresses.unfound(lambda _process: True, 0) == 0
        assert addresses.has_looked()
        entries.looked = False
        assert addresses.unmet(["a"]) == addresses.unfound(lambda _process: True, 0) == 1
        assert not addresses.has_looked()

    def test_that_is_late_keeps_a_node_from_settling_for_a_while(self) -> None:
        addresses, entries = self.make()
        entries.late = True
        assert addresses.unfound(lambda _process: True, SHARED_S - 1) == 1
        assert addresses.unfound(lambda _process: True, SHARED_S) == 0
        assert addresses.unmet(["a"]) == 0

    def test_drops_an_address_that_is_withdrawn_if_its_node_never_was_a_member(self) -> None:
        addresses, entries = self.make(self.B, self.C)
        entries.entries = []
        addresses.look(())
        assert len(addresses.all) == 2
        entries.entries = [Address("http://a:1", "a", ME.process)]
        addresses.look(())
        # b has a slot. It may come back to its address.
        assert [one.node for one in addresses.all] == ["b"]
