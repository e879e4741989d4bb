"""Which addresses a node dials: the rules, without a network."""

import pytest
from ratchet.frames import Alive
from ratchet_server.peering.addresses import MOST, Addresses


class TestAddresses:
    alive: dict[str, Alive]
    gone: set[str]

    @pytest.fixture
    def addresses(self) -> Addresses:
        self.alive, self.gone = {}, set()
        return Addresses(["http://b:1/"], lambda: self.alive, lambda node: node in self.gone)

    def learned(self, addresses: Addresses, *linked: str) -> list[str]:
        addresses.look(linked)
        return [dialled.url for dialled in addresses.all if not dialled.given]

    def test_one_that_was_given_is_not_learned(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("b", None, "http://b:1")}
        assert self.learned(addresses) == []

    def test_one_of_a_process_that_answers_where_it_was_given_is_not_learned(
        self, addresses: Addresses
    ) -> None:
        addresses.given[0].process = "1"
        self.alive = {"1": Alive("b", None, "http://elsewhere:1")}
        assert self.learned(addresses) == []

    def test_one_is_forgotten_when_its_process_answers_where_it_was_given(
        self, addresses: Addresses
    ) -> None:
        self.alive = {"1": Alive("b", None, "http://elsewhere:1")}
        assert self.learned(addresses) == ["http://elsewhere:1"]
        addresses.given[0].process = "1"
        addresses.all[1].connected = True
        assert self.learned(addresses) == ["http://elsewhere:1"]
        addresses.all[1].connected = False
        assert self.learned(addresses) == []

    @pytest.mark.parametrize(
        "url", ["", "http://c", "http://c:1/x", "ftp://c:1", "http://0.0.0.0:1", "http://[::]:1"]
    )
    def test_what_nobody_can_dial_is_not_learned(self, addresses: Addresses, url: str) -> None:
        self.alive = {"1": Alive("c", None, url)}
        assert self.learned(addresses) == []

    def test_one_of_a_member_is_kept_while_nobody_hears_it(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]
        self.alive = {}
        assert self.learned(addresses) == ["http://c:1"]
        self.gone = {"c"}
        # It hands over.
        assert self.learned(addresses, "1") == ["http://c:1"]
        assert self.learned(addresses) == []

    def test_one_is_forgotten_when_its_node_is_alive_elsewhere(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]
        self.alive = {"2": Alive("c", 6, "http://c:2")}
        assert self.learned(addresses) == ["http://c:2"]

    def test_two_processes_of_one_name_are_both_learned(self, addresses: Addresses) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1"), "2": Alive("c", 6, "http://c:2")}
        assert self.learned(addresses) == ["http://c:1", "http://c:2"]

    def test_one_where_somebody_else_answers_is_not_learned_again(
        self, addresses: Addresses
    ) -> None:
        self.alive = {"1": Alive("c", 5, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]
        addresses.refute(addresses.all[1])
        assert self.learned(addresses) == []
        # But another process may well be there.
        self.alive = {"2": Alive("d", 6, "http://c:1")}
        assert self.learned(addresses) == ["http://c:1"]

    def test_there_are_so_many_and_the_dead_make_room(self, addresses: Addresses) -> None:
        self.alive = {str(n): Alive(f"c{n}", 5, f"http://c:{n + 1}") for n in range(2 * MOST)}
        first = self.learned(addresses)
        assert len(first) == MOST
        assert self.learned(addresses) == first
        del self.alive["7"]
        assert first[7] not in self.learned(addresses)
        assert len(self.learned(addresses)) == MOST
