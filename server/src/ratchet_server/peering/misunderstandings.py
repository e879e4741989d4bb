"""Misunderstandings: peers that send what this node can't take, or can't take what it sends."""

import time
from collections.abc import Callable, Mapping
from typing import Final

# How long one is reported. A peer that still has it repeats it within seconds.
REPORT_S: Final = 30.0


class Misunderstandings:
    """The misunderstandings of the last seconds, for operators to see."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By name: when the last one was, and what it was.
        self._last: dict[str, tuple[float, str]] = {}

    def note(self, node: str, why: str) -> None:
        """One with this node has just happened."""
        self._forget()
        self._last[node] = self._clock(), why

    def recent(self) -> Mapping[str, str]:
        """The names of the peers, and why."""
        self._forget()
        return {node: why for node, (_, why) in self._last.items()}

    def _forget(self) -> None:
        since = self._clock() - REPORT_S
        self._last = {node: last for node, last in self._last.items() if last[0] > since}
