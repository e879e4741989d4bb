"""How many connections a node holds, and who gets one when there are few left.

A connection is an open file. When a process may open no more files, the event loop accepts each new
connection and closes it at once, without a word: clients, peers and health checks alike. So the
node has to stay below that limit, and to see that nobody takes all of its connections.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection
from typing import Final, Literal, Protocol

from sanic import Request

from ratchet_server.http.errors import ApiError
from ratchet_server.http.gate import close_after
from ratchet_server.log_throttle import LogThrottle
from ratchet_server.open_files import HOW_TO_RAISE

# Files that are no connections of clients: the database, the log, files that are being sent, and
# the connections that this node dials. With a low limit: a quarter of it.
OWN_FILES: Final = 256
# With fewer files than this, a node has hardly any room for watchers.
FEW_FILES: Final = 256
# How long an operator is told that connections were refused.
RECENT_S: Final = 60.0
# Watchers try again by themselves. Soon enough for them, and seldom enough for the node.
RETRY_S: Final = 10
# Which part of the longest idle connections is closed at once. Finding them means to look at all.
_CLOSED_AT_ONCE: Final = 16

How = Literal["watcher", "idle", "new"]

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """A client's connection, as the room looks at it."""

    @property
    def idle_since(self) -> float | None:
        """Since when it waits for a request, or the rest of one; None if a request is at work, or
        if it is closed already."""

    def cut_off(self) -> None:
        """Close it at once."""


class Room:
    """Keeps connections free for views, checks and peers, and counts what it refuses."""

    def __init__(self, files: int) -> None:
        """`files`: how many this process may open."""
        self.connections_max = files - min(OWN_FILES, files // 4)
        # The rest is for everything that is no watcher.
        self.watchers_max = self.connections_max * 3 // 4
        self.refused: Counter[How] = Counter()
        self._refused_at: float | None = None
        self._throttle = LogThrottle()
        if files < FEW_FILES:
            _log.warning(
                "this node may open only %d files, which is room for %d connections: %s",
                files,
                self.connections_max,
                HOW_TO_RAISE,
            )

    @property
    def full(self) -> bool:
        """Whether connections were refused in the last minute."""
        return self._refused_at is not None and time.monotonic() - self._refused_at < RECENT_S

    def for_a_watcher(self, request: Request, watching: int) -> None:
        """Return if there is room for one more than `watching`. Raises `ApiError`."""
        if watching >= self.watchers_max:
            close_after(request)
            self._refuse("watcher")
            message = "This node has no room for more watchers. Poll, or try another node."
            raise ApiError(503, "crowded", message, retry_after_s=RETRY_S)

    def for_another(self, connections: Collection[Connection]) -> None:
        """There is one more connection: close idle ones if these are too many."""
        if len(connections) <= self.connections_max:
            return
        idle = [(since, each) for each in connections if (since := each.idle_since) is not None]
        idle.sort(key=lambda pair: pair[0])
        # The new one is among them, as the last. It goes if no other is idle.
        for _, each in idle[: max(1, len(idle) // _CLOSED_AT_ONCE)]:
            self._refuse("idle" if len(idle) > 1 else "new")
            each.cut_off()

    def _refuse(self, how: How) -> None:
        self.refused[how] += 1
        self._refused_at = time.monotonic()
        if self._throttle.due(how):
            _log.warning(
                "this node may have %d connections, %d of them watchers, and %s: %s",
                self.connections_max,
                self.watchers_max,
                _WHAT[how],
                HOW_TO_RAISE,
            )


_WHAT: Final[dict[How, str]] = {
    "watcher": "refuses more watchers",
    "idle": "closes idle connections to make room for new ones",
    "new": "closes new ones, because all others are in use",
}
