"""A verdict: what an operator reads about one thing, and how much it matters."""

from dataclasses import dataclass
from typing import Final, Literal

# `well`: as it should be. `look`: it may need somebody. `act`: it needs somebody.
Mood = Literal["well", "look", "act"]

# A node reports once a second what it has. On a busy cluster each lacks the rows of that second;
# more than that is worth a look.
FAR_BEHIND: Final = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Words, and their mood."""

    text: str
    mood: Mood
