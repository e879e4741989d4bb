"""A history: all that viewers sent to a cluster and received from it, as lines of JSON."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

# What became of an attempt to count a view: it counts; it surely doesn't; nobody knows.
Fate = Literal["ok", "refused", "unsure"]


class Run(Struct, frozen=True, tag="run", tag_field="is"):
    """The head of a history. `replay` is the command that does the same again."""

    replay: str
    fault: str
    problems: list[str]


class Fault(Struct, frozen=True, tag="fault", tag_field="is"):
    """Something was done to the cluster. Times are in seconds since the history began."""

    at: float
    what: str


class Attempt(Struct, frozen=True, tag="attempt", tag_field="is"):
    """One attempt to count a view. `number`: 1, and 2, 3, … for retries with the same key."""

    key: str
    video: str
    to: str
    number: int
    begun: float
    ended: float
    fate: Fate
    counted: bool | Literal["pending"] | None = None
    views: int | None = None
    # Why it has no response that says it counts.
    why: str = ""


class Read(Struct, frozen=True, tag="read", tag_field="is"):
    """A viewer received a node's number, `views`, and then showed its own, `shown`.

    `process`: the one process that sent it; None if that is unknown, as behind a balancer.
    """

    viewer: str
    video: str
    process: str | None
    begun: float
    ended: float
    views: int
    shown: int


class Start(Struct, frozen=True, tag="start", tag_field="is"):
    """The numbers before the first view."""

    views: dict[str, int]


class End(Struct, frozen=True, tag="end", tag_field="is"):
    """The numbers that one address shows in the end."""

    at: str
    views: dict[str, int]


Event = Run | Fault | Attempt | Read | Start | End

_TEXT: Final = msgspec.json.Encoder()
_PARSED: Final = msgspec.json.Decoder(Event)


class History:
    """Collects events. Many threads may add."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._began = time.monotonic()

    def clock(self) -> float:
        """Seconds since the history began."""
        return time.monotonic() - self._began

    def add(self, event: Event) -> None:
        """Note an event."""
        self.events.append(event)

    def fault(self, what: str) -> None:
        """Note what was just done to the cluster."""
        self.add(Fault(self.clock(), what))


def write(file: Path, events: Iterable[Event]) -> None:
    """Write one event a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(_TEXT.encode(event) + b"\n" for event in events))


def read(file: Path) -> list[Event]:
    """What `write` has written. Raises `msgspec.MsgspecError`."""
    return [_PARSED.decode(line) for line in file.read_bytes().splitlines()]
