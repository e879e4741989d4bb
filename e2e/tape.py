"""A tape: frames that nodes really sent to their peers, which a stranger sends again later."""

import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ratchet import codec
from ratchet.frames import WantBase
from websockets.sync.client import ClientConnection

from testing.nodes import PATIENCE_S, Node
from testing.wire import dial, digest, hello, receive_kind, want

# The node name under which a tape records and plays. It never counts.
NAME: Final = "tape"
# How many frames a tape keeps, of all that it ever recorded.
KEPT: Final = 500


class Tape:
    """Frames with rows and bases, from any time in the past."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._frames: list[str] = []

    def record(self, node: Node) -> None:
        """Request everything that `node` has, and keep the answers."""
        with _visit(node) as wire:
            slots = receive_kind(wire, "digest")["slots"]
            for question in [*(want(slot, 0) for slot in slots), codec.encode(WantBase(0))]:
                wire.send(question)
            text = ""
            # The base comes last. A node that is folding a slot may send no rows of it.
            while '"is":"base"' not in text:
                text = str(wire.recv(PATIENCE_S))
                self._keep(text)

    def play(self, node: Node) -> None:
        """Send some of the recorded frames to `node`."""
        with _visit(node) as wire:
            for text in self._chance.sample(self._frames, min(30, len(self._frames))):
                wire.send(text)
            # A node handles frames in order: when it answers this one, it has handled the others.
            wire.send(codec.encode(WantBase(0)))
            receive_kind(wire, "base")

    def _keep(self, text: str) -> None:
        if '"is":"rows"' not in text and '"is":"base"' not in text:
            return
        if len(self._frames) < KEPT:
            self._frames.append(text)
        else:
            self._frames[self._chance.randrange(KEPT)] = text


@contextmanager
def _visit(node: Node) -> Iterator[ClientConnection]:
    """A connection to `node` of a process that has no slot and is about to leave.

    If it did not leave, its name would be missing afterwards, and no node would fold a slot.
    """
    with dial(node, "/peer") as wire:
        wire.send(hello(NAME, process=secrets.token_hex(8)))
        wire.send(digest(heard={NAME: 0}, closed={NAME: 0}))
        yield wire
