"""Notices: what the person who runs a node should know. The driver logs and counts them."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal[
    "opened",
    "superseded",
    "reopened",
    "retired",
    "folded",
    "forgotten",
    "unseen",
    "missing",
    "large",
    "cut",
]


class Notice(NamedTuple):
    """Something that has happened, as a sentence about the name `node`."""

    kind: Kind
    node: str
    text: str


class Notices:
    """The notices that the driver has not taken yet, the oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Notice] = []

    def __iter__(self) -> Iterator[Notice]:
        return iter(self._waiting)

    def add(self, kind: Kind, node: str, text: str) -> None:
        """Something has happened."""
        self._waiting.append(Notice(kind, node, text))

    def take(self) -> list[Notice]:
        """All waiting notices; after this none waits."""
        taken, self._waiting = self._waiting, []
        return taken
