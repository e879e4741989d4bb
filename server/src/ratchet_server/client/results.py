"""What calls take and return. Numbers are whole, and at most 2^53-1."""

from datetime import date
from typing import Literal

from msgspec import Struct, field


class Entry(Struct, frozen=True):
    """`n` views of a video. With a `key`, a new UUID, the entry counts once."""

    video: str
    n: int = 1
    key: str | None = None


class Counted(Struct, frozen=True):
    """A view is counted. `counted`: by this very request; False if its key had come before. Where
    nodes settle later whether it had, it is "pending": the view counts once, now or then."""

    video: str
    views: int
    counted: bool | Literal["pending"]


class CountedMany(Struct, frozen=True):
    """How many views of a batch are counted, without those whose keys had come before; and how many
    are pending, like a `Counted` view."""

    counted: int
    pending: int = 0


class Video(Struct, frozen=True):
    """A video and its number."""

    video: str
    views: int
    title: str | None = None
    description: str | None = None
    today: int | None = None


class Page(Struct, frozen=True):
    """A part of a list. `next`: where the next page begins; None after the last."""

    videos: list[Video]
    next: str | None = None


class Day(Struct, frozen=True):
    """A day (UTC), and the views on it."""

    day: date
    views: int


class Days(Struct, frozen=True):
    """The views of a video by day. `first`: the first day that the node keeps."""

    video: str
    first: date
    today: date
    days: list[Day]


class Snapshot(Struct, frozen=True):
    """The counter of a video. `ratchet.passive` merges snapshots."""

    video: str
    base: int
    slots: dict[str, int]
    folded: dict[str, int]


class Peer(Struct, frozen=True):
    """A node as another one sees it. `behind`: how many changes it lacks; None: not known."""

    node: str | None
    url: str
    connected: bool
    behind: int | None


class Node(Struct, frozen=True):
    """The state of a node. PROTOCOL.md explains its fields."""

    node: str
    generation: int | None
    ready: bool
    draining: bool
    peers: list[Peer]
    known: dict[str, int]
    closed: dict[str, int]
    folded: dict[str, int]
    digest: str
    # A node of an earlier version does not say it.
    cluster: str | None = None
    superseded: str | None = None
    reopened: int = 0
    left_behind: int = 0
    stored: bool = False


class Imported(Struct, frozen=True):
    """How far an import is. `waits_for`: what is in the way of its beginning. `videos` is None
    once it is folded."""

    name: str = field(name="import")
    state: Literal["agreeing", "open", "ended"]
    waits_for: list[str]
    videos: int | None
    views: int


class Joined(Struct, frozen=True):
    """Two clusters are one. `cluster` is the id that stands for it."""

    node: str
    cluster: str
    joined: str
