"""Browsers that watch a number. Each change is encoded once, and sent to all of them.

A watcher is a callable that takes the encoded message, and must not block. If its browser reads too
slowly, it aborts the connection, so no browser delays the others. The browser connects again.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from ratchet import snapshot
from ratchet.snapshot import Snapshot
from websockets.frames import Frame, Opcode

_log = logging.getLogger(__name__)

# A first change is sent at once. While the video goes on changing, it is sent once in this time.
COALESCE_S: Final = 0.1


class Message(NamedTuple):
    """One snapshot, encoded for every kind of watcher."""

    video: str
    text: str
    websocket_frame: bytes


# None instead of a message means that the node stops, and sends nothing more.
Watcher = Callable[[Message | None], None]


class Watchers:
    """The watchers of each video, and the changes that are still to be sent to them."""

    def __init__(self, node: str, snapshot_of: Callable[[str], Snapshot]) -> None:
        self._node = node
        self._snapshot_of = snapshot_of
        # By video, and by whether the messages name the node.
        self._watchers: dict[tuple[str, bool], set[Watcher]] = {}
        # How many watchers each video has. A watcher of several videos counts for each.
        self._videos: Counter[str] = Counter()
        self._count = 0
        # Watched videos with changes that have not been sent.
        self._waiting: set[str] = set()
        self._flush_at: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, videos: Iterable[str], watcher: Watcher, *, with_node: bool) -> None:
        """Send the snapshots of these videos to `watcher` now, and each again after its changes."""
        self._count += 1
        for video in videos:
            self._watchers.setdefault((video, with_node), set()).add(watcher)
            self._videos[video] += 1
            watcher(self.message(video, with_node=with_node))

    def remove(self, videos: Iterable[str], watcher: Watcher, *, with_node: bool) -> None:
        """Send nothing more to `watcher`. `videos` are those of `add`."""
        self._count -= 1
        for video in videos:
            group = self._watchers[video, with_node]
            group.remove(watcher)
            if not group:
                del self._watchers[video, with_node]
            self._videos[video] -= 1
            if not self._videos[video]:
                del self._videos[video]

    def changed(self, videos: set[str]) -> None:
        """Send `videos` to their watchers soon: their numbers may have changed."""
        self._waiting |= videos & self._videos.keys()
        if self._waiting and self._flush_at is None:
            self._flush()

    def close(self) -> None:
        """Call every watcher with None: the node sends nothing more."""
        for watcher in set().union(*self._watchers.values()):
            watcher(None)

    def message(self, video: str, *, with_node: bool) -> Message:
        """The current snapshot of `video`, encoded."""
        fields = snapshot.encode(self._snapshot_of(video))
        if with_node:
            fields["node"] = self._node
        text = json.dumps(fields, separators=(",", ":"))
        return Message(video, text, Frame(Opcode.TEXT, text.encode()).serialize(mask=False))

    def _flush(self) -> None:
        self._flush_at = None
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, set()
        for video in waiting:
            for with_node in (False, True):
                if group := self._watchers.get((video, with_node)):
                    message = self.message(video, with_node=with_node)
                    for watcher in tuple(group):
                        try:
                            watcher(message)
                        except Exception:
                            # The other watchers must get the message, however this one fails.
                            _log.exception("can't send the new count of %s to a watcher", video)
        self._flush_at = asyncio.get_running_loop().call_later(COALESCE_S, self._flush)
