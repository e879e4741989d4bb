"""Which of the views in one transaction count: each key counts once, and no number grows too large.

The keys of all views are looked up together, before anything is counted. Here the views then pass
one by one. So a key that comes twice in one transaction is known the second time.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ratchet_server.counting.orders import Batch, View
from ratchet_server.counting.refusals import BadEntry, CountFull, KeyReused, NoPeer, TooManyViews


class Limits(NamedTuple):
    """What a view depends on beside its key."""

    # Whether any peer is connected.
    has_peer: bool
    # Whether one more view of a video would change nothing.
    is_full: Callable[[str], bool]
    # How many more views of a video can count.
    room: Callable[[str], int]


class Admission:
    """Lets in the views of one transaction."""

    def __init__(self, limits: Limits, known: dict[str, str | None] | None = None) -> None:
        """`known`: of the keys of these views, those that are on disk, each with its video. None
        stands for a promise: the view counts elsewhere."""
        self._limits = limits
        self._known = known or {}
        # The keys that this transaction adds, each with its video.
        self.fresh: dict[str, str] = {}

    def is_new(self, view: View) -> bool:
        """Whether `view` counts; if not, its key has counted before. Raises `Refusal`."""
        video, key, on_peers, _ = view
        if key and self._has_come(key, video, self._known):
            return False
        # Refuse only after the look-up. If the key had come before, its view has counted already,
        # and this refusal would deny that.
        if on_peers and not self._limits.has_peer:
            raise NoPeer
        if self._limits.is_full(video):
            raise CountFull
        if key:
            self._known[key] = self.fresh[key] = video
        return True

    def new(self, batch: Batch) -> dict[str, int]:
        """How many views of each video in `batch` count. Raises `BadEntry` or `NoPeer`: then none
        does."""
        fresh = dict[str, str]()
        new, room = dict[str, int](), dict[str, int]()
        for index, entry in enumerate(batch.entries):
            video, key = entry.video, entry.key
            if key:
                try:
                    if self._has_come(key, video, self._known) or self._has_come(key, video, fresh):
                        continue
                except KeyReused as why:
                    raise BadEntry(index, why) from None
                fresh[key] = video
            if video not in room:
                room[video], new[video] = self._limits.room(video), 0
            new[video] += entry.n
            if new[video] > room[video]:
                full = self._limits.is_full(video)
                raise BadEntry(index, CountFull() if full else TooManyViews())
        if new and batch.on_peers and not self._limits.has_peer:
            raise NoPeer
        self.fresh |= fresh
        return new

    def _has_come(self, key: str, video: str, known: Mapping[str, str | None]) -> bool:
        if key not in known:
            return False
        first_video = known[key]
        if first_video is not None and first_video != video:
            raise KeyReused(key, first_video)
        return True
