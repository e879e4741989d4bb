"""The bytes that wait for all clients together: how many there may be, and who is cut off."""

from typing import Final, Protocol

# Enough for 2,000 readers of files, or for hundreds of large responses, none of which is read.
MAX_WAITING: Final = 64 * 2**20


class Client(Protocol):
    """A client for which bytes wait."""

    def cut_off(self) -> None:
        """End the connection at once, and drop what waits."""


class Backlog:
    """Counts what waits. When it is more than `limit`, the client that has taken nothing for the
    longest time is cut off, then the next: a client that reads is never one of the first."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        # The client that took something the longest time ago comes first.
        self._waiting: dict[Client, int] = {}
        self._total = 0

    def waits(self, client: Client, size: int, *, took: bool) -> None:
        """`size` bytes wait for `client` now. `took`: it has taken some since the last call, or
        nothing has waited for it before."""
        before = self._waiting.pop(client, 0) if took else self._waiting.get(client, 0)
        self._waiting[client] = size
        self._total += size - before
        while self._total > self._limit:
            longest = next(iter(self._waiting))
            self.forget(longest)
            longest.cut_off()

    def forget(self, client: Client) -> None:
        """Nothing waits for `client` any more."""
        self._total -= self._waiting.pop(client, 0)
