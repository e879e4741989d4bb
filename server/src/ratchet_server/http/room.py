"""How many connections a node holds, and which it closes or refuses when they run out.

A connection is an open file. At the process's limit of open files, the event loop accepts each new
connection and closes it at once, without a response. This hits clients, peers and health checks
alike. So the node stays below the limit, and lets no kind of client take all connections.
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

# How many files to reserve for all else: the database, the log, files that are being sent, and the
# connections that this node dials. If the limit is low, a quarter of it is reserved instead.
OWN_FILES: Final = 256
# With fewer files than this, a node has hardly any room for watchers.
FEW_FILES: Final = 256
# How long `full` reports a refused connection.
RECENT_S: Final = 60.0
# When a refused watcher should try again: soon enough for its user, seldom enough for the node.
RETRY_S: Final = 10
# One in so many idle connections is closed at once, those first that have been idle for longest.
# Several at once, because finding them means to look at all connections.
_CLOSED_AT_ONCE: Final = 16

How = Literal["watcher", "idle", "new"]

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What a `Room` needs to know of a client's connection."""

    @property
    def idle_since(self) -> float | None:
        """Since when the node has been waiting for a request, or for the rest of one. None while
        the node works on a request, and for a closed connection."""

    def cut_off(self) -> None:
        """Close it at once."""


class Room:
    """Keeps connections free for views, checks and peers, and counts what it refuses."""

    def __init__(self, files: int) -> None:
        """`files`: how many files this process may open."""
        self.connections_max = files - min(OWN_FILES, files // 4)
        # The last quarter is for all other requests.
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
        """Check that one more watcher may join the `watching` ones. Raises `ApiError`."""
        if watching >= self.watchers_max:
            close_after(request)
            self._refuse("watcher")
            message = "This node has no room for more watchers. Poll, or try another node."
            raise ApiError(503, "crowded", message, retry_after_s=RETRY_S)

    def for_another(self, connections: Collection[Connection]) -> None:
        """Call this after each new connection. If `connections` are now too many, it closes idle
        ones."""
        if len(connections) <= self.connections_max:
            return
        idle = [(since, each) for each in connections if (since := each.idle_since) is not None]
        idle.sort(key=lambda pair: pair[0])
        # The new connection is idle, too, and the last of them. If no other is idle, close it.
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
