"""The schedule: which fault comes when. The seed decides it, and nothing that happens does."""

import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple


class Planned(NamedTuple):
    """One round. `seed` decides all that is left to chance in it."""

    number: int
    fault: str
    seed: int


def schedule(seed: int, faults: Sequence[str]) -> Iterator[Planned]:
    """Rounds without end. Every fault comes once before any comes again."""
    chance, numbers = random.Random(seed), count(1)
    while True:
        for fault in chance.sample(faults, len(faults)):
            yield Planned(next(numbers), fault, chance.getrandbits(32))
