"""Parts: a message that is larger than the bus takes at once travels as several.

A part that is lost loses its message; the replicas notice, and ask again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ratchet_server.peering.bus.envelope import HEAD, MOST_PARTS, Envelope

# How many bytes of unfinished messages of one process, and of all, wait for their other parts. The
# largest frame has about 300 kB.
_MOST_OF_ONE: Final = 2 * 2**20
_MOST: Final = 16 * 2**20


def split(envelope: Envelope, largest: int) -> Iterator[Envelope]:
    """The parts of a whole message, for a bus that takes `largest` bytes with the head."""
    size = largest - HEAD
    pieces = [envelope.payload[at : at + size] for at in range(0, len(envelope.payload) or 1, size)]
    if len(pieces) > MOST_PARTS:
        return
    for number, piece in enumerate(pieces, start=1):
        yield envelope._replace(part=number, parts=len(pieces), payload=piece)


@dataclass(slots=True)
class _Unfinished:
    parts: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Parts:
    """Joins the parts of messages."""

    def __init__(self) -> None:
        # By process and stamp; the oldest first.
        self._unfinished: dict[tuple[str, int], _Unfinished] = {}
        self._size = 0

    def add(self, envelope: Envelope) -> bytes | None:
        """The whole payload, once all its parts are there. The oldest unfinished messages are
        dropped when there are too many."""
        if envelope.parts == 1:
            return envelope.payload
        key = envelope.sender, envelope.stamp
        message = self._unfinished.setdefault(key, _Unfinished(envelope.parts))
        if message.parts != envelope.parts or envelope.part in message.pieces:
            return None
        message.pieces[envelope.part] = envelope.payload
        message.size += len(envelope.payload)
        self._size += len(envelope.payload)
        if len(message.pieces) == message.parts:
            self._drop(key)
            return b"".join(message.pieces[number] for number in range(1, message.parts + 1))
        self._shrink(envelope.sender)
        return None

    def forget(self, sender: str) -> None:
        """A process has left."""
        for key in [key for key in self._unfinished if key[0] == sender]:
            self._drop(key)

    def _shrink(self, sender: str) -> None:
        own = [key for key in self._unfinished if key[0] == sender]
        size = sum(self._unfinished[key].size for key in own)
        for key in own:
            if size > _MOST_OF_ONE:
                size -= self._unfinished[key].size
                self._drop(key)
        while self._size > _MOST:
            self._drop(next(iter(self._unfinished)))

    def _drop(self, key: tuple[str, int]) -> None:
        self._size -= self._unfinished.pop(key).size
