"""Addresses that several nodes may share: a virtual IP, the name of a service, a load balancer.

A connection to a shared address reaches any of its nodes, perhaps this very node. If all nodes were
given only this address, and each dialled it until one node answers, they could end up in two groups
that never find each other.

So this node asks again at an address that may be shared: if a node there says that it has another
one, or if the address is a name of several hosts. It dials, and keeps the connection only if
a process answers that it is not connected to. It asks often until `ENOUGH` asks in a row have
brought nobody new. Until then the address counts as one where nobody was met, so no slot is folded.
Afterwards it asks now and then, for ever: the chance that two groups miss each other halves with
each ask of each node. (An ask without an answer brings nobody, too. Otherwise the address of a node
that died young would delay folds for ever.)

(This can't work if the balancer always leads one node to the same other node. OPERATING.md says so
to operators.)
"""

from collections.abc import Collection
from typing import Final

# The asks in a row without a new process that make it likely that there are no others.
ENOUGH: Final = 8
# How long to wait between two asks: until there were enough, and afterwards.
OFTEN_S: Final = 0.1
SELDOM_S: Final = 10.0


class Shared:
    """The addresses that may be shared, and how many asks in a row brought nobody new."""

    def __init__(self) -> None:
        self._in_a_row: dict[str, int] = {}
        # To how many hosts the names of some lead.
        self._hosts: dict[str, int] = {}

    @property
    def urls(self) -> Collection[str]:
        """The addresses at which this node asks again."""
        return self._in_a_row.keys()

    @property
    def open(self) -> set[str]:
        """The addresses at which nodes may well be that this node has not met."""
        return {url for url in self._in_a_row if not self._is_enough(url)}

    def leads_to(self, url: str, hosts: int) -> None:
        """The name in this URL has the addresses of so many hosts. `turns` dials one after the
        other."""
        if hosts > 1:
            self._hosts[url] = hosts
            self._in_a_row.setdefault(url, 0)

    def answered(self, url: str, *, known: bool) -> None:
        """Another process than the address is named after has answered there. `known`: whether
        it is this process, or one that this node is connected to."""
        self._in_a_row[url] = self._in_a_row.get(url, 0) + 1 if known else 0

    def failed(self, url: str) -> None:
        """Nobody has answered there."""
        if url in self._in_a_row:
            self._in_a_row[url] += 1

    def pause_s(self, url: str) -> float:
        """How long to wait before the next ask."""
        return SELDOM_S if self._is_enough(url) else OFTEN_S

    def keep(self, urls: Collection[str]) -> None:
        """Forget all other addresses."""
        self._in_a_row = {url: known for url, known in self._in_a_row.items() if url in urls}

    def _is_enough(self, url: str) -> bool:
        return self._in_a_row.get(url, 0) >= max(ENOUGH, self._hosts.get(url, 0))
