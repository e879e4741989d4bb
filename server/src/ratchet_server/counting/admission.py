"""What becomes of the views in one transaction: each key counts once, no number grows too large.

The keys of all views are looked up together, before anything is counted. Here the views then pass
one by one. `ratchet.retries` decides about keys, and notes what this transaction does with them. So
a key that comes twice in one transaction is known the second time.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ratchet.retries import Fate, Retries

from ratchet_server.counting.orders import Batch, Entry, View
from ratchet_server.counting.refusals import (
    BadEntry,
    CountFull,
    KeyReused,
    NoPeer,
    Overloaded,
    TooManyViews,
)


class Limits(NamedTuple):
    """What a view depends on beside its key."""

    # Whether any peer is connected.
    has_peer: bool
    # Whether one more view of a video would change nothing.
    is_full: Callable[[str], bool]
    # How many more views of a video can count.
    room: Callable[[str], int]


class Admitted(NamedTuple):
    """How many views of each video in a batch count, and how many of each key are pending."""

    new: Mapping[str, int]
    pending: Mapping[str, int]


class Admission:
    """Lets in the views of one transaction."""

    def __init__(
        self, limits: Limits, retries: Retries, known: Mapping[str, str | None] | None = None
    ) -> None:
        """`known`: of the keys of these views, those that are on disk, each with its video. None
        stands for a promise."""
        self._limits = limits
        self._retries = retries
        self._known = known or {}

    def fate(self, view: View) -> Fate:
        """What becomes of `view`. Raises `Refusal`."""
        video, key, retry, on_peers, _ = view
        fate = self._fate(key, video, retry=retry) if key else Fate.NEW
        if fate is Fate.NEW:
            # Refuse only after the look-up. If the key had come before, its view has counted
            # already, and this refusal would deny that.
            if on_peers and not self._limits.has_peer:
                raise NoPeer
            if self._limits.is_full(video):
                raise CountFull
            if key:
                self._retries.count(key, video)
        elif fate is Fate.PENDING and key:
            if self._limits.is_full(video):
                raise CountFull
            self._retries.wait(key, video, self._known)
        return fate

    def admit(self, batch: Batch) -> Admitted:
        """What becomes of the views in `batch`. Raises `BadEntry`, `NoPeer` or `Overloaded`: then
        none counts."""
        counted, waiting = dict[str, Entry](), dict[str, Entry]()
        new, room = dict[str, int](), dict[str, int]()
        asked = dict[str, int]()
        for index, entry in enumerate(batch.entries):
            video, key = entry.video, entry.key
            if key:
                try:
                    earlier = counted.get(key) or waiting.get(key)
                    if earlier and earlier.video != video:
                        raise KeyReused(key, earlier.video)
                    fate = Fate.COUNTED if earlier else self._fate(key, video, retry=batch.retry)
                except KeyReused as why:
                    raise BadEntry(index, why) from None
                if fate is Fate.COUNTED:
                    continue
                (counted if fate is Fate.NEW else waiting)[key] = entry
            if video not in room:
                room[video], asked[video] = self._limits.room(video), 0
            asked[video] += entry.n
            if asked[video] > room[video]:
                full = self._limits.is_full(video)
                raise BadEntry(index, CountFull() if full else TooManyViews())
            if key not in waiting:
                new[video] = new.get(video, 0) + entry.n
        if new and batch.on_peers and not self._limits.has_peer:
            raise NoPeer
        for key, entry in counted.items():
            self._retries.count(key, entry.video)
        for key, entry in waiting.items():
            self._retries.wait(key, entry.video, self._known, entry.n)
        return Admitted(new, {key: entry.n for key, entry in waiting.items()})

    def _fate(self, key: str, video: str, *, retry: bool) -> Fate:
        earlier = self._known.get(key) or self._retries.video_of(key)
        if earlier is not None and earlier != video:
            raise KeyReused(key, earlier)
        fate = self._retries.fate(key, self._known, first=not retry)
        if fate is Fate.REFUSED:
            raise Overloaded
        return fate
