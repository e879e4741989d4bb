"""Strangers: nodes of other clusters that this node has met, for operators to see."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from ratchet.frames import Hello
from ratchet.identity import Stranger

# A node that is refused dials again within three seconds. So one that has not been met for so long
# has stopped, or has found its own cluster.
RECENT_S: Final = 10.0
# Nobody has more of them, unless an attacker has the secret.
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Met:
    """A stranger: its name, where it is, and the id of its cluster."""

    node: str
    url: str
    cluster: str


class Strangers:
    """The strangers of the last seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._met: dict[str, tuple[Met, float]] = {}

    def add(self, peer: Hello, address: str, why: Stranger) -> None:
        """One was met at this address."""
        self._forget()
        if why.theirs and len(self._met) < _MOST:
            # A node that dials us comes from an address without a port.
            url = address if "://" in address else peer.url
            self._met[peer.process] = Met(peer.node, url, why.theirs), self._clock()

    def recent(self) -> list[Met]:
        """Those that were met in the last seconds, by name."""
        self._forget()
        return sorted((met for met, _ in self._met.values()), key=lambda met: (met.node, met.url))

    def _forget(self) -> None:
        now = self._clock()
        self._met = {
            process: each for process, each in self._met.items() if now - each[1] < RECENT_S
        }
