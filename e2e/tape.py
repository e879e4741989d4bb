"""A tape: what nodes have really said to their peers, to be said again later by a stranger."""

import random
import secrets
from typing import Final

from ratchet import codec
from ratchet.frames import WantBase

from testing.nodes import PATIENCE_S, Node
from testing.wire import dial, hello, told_a, want

# The name of whoever records and plays: it never counts.
NAME: Final = "tape"
# Frames that are kept, of all that were ever recorded.
KEPT: Final = 500


class Tape:
    """Frames with rows and bases, from any time."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._frames: list[str] = []

    def record(self, node: Node) -> None:
        """Ask `node` for all that it has."""
        with dial(node, "/peer") as wire:
            wire.send(hello(NAME, process=secrets.token_hex(8)))
            slots = told_a(wire, "digest")["slots"]
            for question in [*(want(slot, 0) for slot in slots), codec.encode(WantBase(0))]:
                wire.send(question)
            text = ""
            # Answered last; a slot that is just being folded is not answered at all.
            while '"is":"base"' not in text:
                text = str(wire.recv(PATIENCE_S))
                self._keep(text)

    def play(self, node: Node) -> None:
        """Somebody says to `node` what was said once."""
        with dial(node, "/peer") as wire:
            wire.send(hello(NAME, process=secrets.token_hex(8)))
            for text in self._chance.sample(self._frames, min(30, len(self._frames))):
                wire.send(text)
            # Frames are taken in order: once this is answered, so are they.
            wire.send(codec.encode(WantBase(0)))
            told_a(wire, "base")

    def _keep(self, text: str) -> None:
        if '"is":"rows"' not in text and '"is":"base"' not in text:
            return
        if len(self._frames) < KEPT:
            self._frames.append(text)
        else:
            self._frames[self._chance.randrange(KEPT)] = text
