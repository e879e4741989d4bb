"""Steps: what can happen to a cluster. Each is one line of text, which can be replayed.

    view a tide 2          two views of tide at node a
    split ab|c             a and b on one side, c on the other
    restore b              b's disk is lost, and an old backup takes its place

A step that doesn't fit does nothing: a node that is down can't crash. So every part of a schedule
is a schedule, too, and a failing schedule can be shrunk.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

Word = str | int | float


class Step(NamedTuple):
    """`op` and its words. `Actions.do` carries it out."""

    op: str
    words: tuple[Word, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.op, *(f"{word:g}" if isinstance(word, float) else str(word)
                                    for word in self.words)])  # fmt: skip


def step(op: str, *words: Word) -> Step:
    """A step. Its numbers are those of its text, so that the step and its text do the same."""
    return parse(str(Step(op, words)))


def parse(line: str) -> Step:
    """The step that `str` wrote."""
    op, *words = line.split()
    return Step(op, tuple(_word(word) for word in words))


def read(path: Path) -> list[Step]:
    """The steps in a file, one a line. A `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return [parse(line) for line in lines if line]


def text(steps: Iterable[Step]) -> str:
    """Steps as lines."""
    return "\n".join(map(str, steps))


def _word(word: str) -> Word:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
