"""What waits for the keeper's next commit: views, and batches of them."""

import asyncio
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol


class Answer(NamedTuple):
    """How many views the video has now, and whether this request has added one. "pending": it will,
    unless a node that can't be asked now has counted its key (see `ratchet.retries`)."""

    views: int
    counted: bool | Literal["pending"]


class View(NamedTuple):
    """A view that waits for our commit and, if `on_peers`, for a peer's."""

    video: str
    key: str | None
    # Whether it says that it has been sent before.
    retry: bool
    on_peers: bool
    answer: asyncio.Future[Answer]


class Entry(Protocol):
    """So many views of a video. With a key, they count once."""

    @property
    def video(self) -> str:
        """Which video."""

    @property
    def n(self) -> int:
        """How many views."""

    @property
    def key(self) -> str | None:
        """A UUID in lower case."""


class BatchAnswer(NamedTuple):
    """How many views of a batch are new, and how many are pending (see `Answer`)."""

    counted: int
    pending: int


class Batch(NamedTuple):
    """Entries that are taken together or not at all."""

    entries: Sequence[Entry]
    # Whether it has been sent before.
    retry: bool
    on_peers: bool
    answer: asyncio.Future[BatchAnswer]
