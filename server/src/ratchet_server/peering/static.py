"""A discovery: the addresses that the operator gave (`--peer`)."""

from collections.abc import Iterable, Sequence

from ratchet.frames import Hello

from ratchet_server.peering.ports import Address


class Static:
    """They are seen for ever, so they are dialled for ever, and a node is expected at each."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._urls = tuple(dict.fromkeys(url.rstrip("/") for url in urls))

    async def run(self, me: Hello) -> None:
        """Nothing to do: operators tell the other nodes of this one."""

    def seen(self) -> Sequence[Address]:
        """All of them. Nobody has said who is there."""
        return [Address(url) for url in self._urls]

    def expected(self) -> Sequence[str]:
        """All of them."""
        return self._urls
