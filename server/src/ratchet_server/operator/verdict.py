"""A verdict: a sentence for operators, and how much it matters."""

from dataclasses import dataclass
from typing import Final, Literal

# `well`: as it should be. `look`: an operator may have to do something. `act`: an operator has to.
Mood = Literal["well", "look", "act"]

# Nodes report once a second what they have. In a busy cluster each node lacks the rows of the last
# second. More than that is worth a look.
FAR_BEHIND: Final = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Words, and their mood."""

    text: str
    mood: Mood
