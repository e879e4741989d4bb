"""A discovery: the addresses that the operator gave (`--peer`)."""

from collections.abc import Iterable, Sequence

from ratchet.frames import Hello

from ratchet_server.peering.ports import Address


class Static:
    """Sees its addresses for ever, so the mesh dials them for ever. It expects a node at each."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._urls = tuple(dict.fromkeys(url.rstrip("/") for url in urls))

    async def run(self, me: Hello) -> None:
        """Do nothing: operators give this node's address to the other nodes."""

    def seen(self) -> Sequence[Address]:
        """All addresses. None of them names a node."""
        return [Address(url) for url in self._urls]

    def expected(self) -> Sequence[str]:
        """All addresses."""
        return self._urls

    def has_looked(self) -> bool:
        """There is nothing to wait for."""
        return True

    def is_late(self) -> bool:
        """There is nothing to look at."""
        return False
