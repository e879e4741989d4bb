"""Bounds the bytes that wait in memory for all clients together: it cuts off stalled clients."""

from typing import Final, Protocol

# Enough for 2,000 clients that read files, or for hundreds of large responses that nobody reads.
MAX_WAITING: Final = 64 * 2**20


class Client(Protocol):
    """A client for which bytes wait."""

    def cut_off(self) -> None:
        """End the connection at once, and drop the bytes that wait."""


class Backlog:
    """Counts the bytes that wait. While they are more than `limit`, it cuts off the client that has
    taken nothing for the longest time. So a client that reads is among the last to go."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        # The client that took something the longest time ago comes first.
        self._waiting: dict[Client, int] = {}
        self._total = 0

    def waits(self, client: Client, size: int, *, took: bool) -> None:
        """`size` bytes wait for `client` now. `took`: whether it has taken some since the last
        call. It is true, too, if nothing waited for it before."""
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
