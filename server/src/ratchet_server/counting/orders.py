"""What waits for the keeper's next commit: views, and batches of them."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """How many views the video has now, and whether this request has added one."""

    views: int
    counted: bool


class View(NamedTuple):
    """A view that waits for our commit and, if `on_peers`, for a peer's."""

    video: str
    key: str | None
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


class Batch(NamedTuple):
    """Entries that count together or not at all. The answer is how many of their views are new."""

    entries: Sequence[Entry]
    on_peers: bool
    answer: asyncio.Future[int]
