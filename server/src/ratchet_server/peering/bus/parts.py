"""Parts: a message that is larger than the bus takes at once travels as several.

A part that is lost loses its message; the replicas notice, and ask again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ratchet_server.peering.bus.envelope import HEAD, MOST_PARTS, Envelope

# How many bytes of one unfinished message, and of all, wait for their other parts. The largest
# frame has about 300 kB. Each part counts with the longest head, so that empty ones cost, too.
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
    stamp: int
    parts: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Parts:
    """Joins the parts of messages: of each process one that is to all, and one to this node.

    It is never given a part that is older than what it was given before it of the same process to
    the same receiver, so the parts of an older message come no more.
    """

    def __init__(self) -> None:
        # By process, and whether it is to all; the one that was begun first comes first.
        self._unfinished: dict[tuple[str, bool], _Unfinished] = {}
        self._size = 0

    def add(self, envelope: Envelope) -> bytes | None:
        """The whole payload, once all its parts are there. The oldest unfinished messages are
        dropped when there are too many."""
        if envelope.parts == 1:
            return envelope.payload
        key = envelope.sender, envelope.to is None
        message = self._unfinished.get(key)
        if message is None or message.stamp != envelope.stamp:
            self._drop(key)
            message = self._unfinished[key] = _Unfinished(envelope.stamp, envelope.parts)
        if message.parts != envelope.parts or envelope.part in message.pieces:
            return None
        message.pieces[envelope.part] = envelope.payload
        size = HEAD + len(envelope.payload)
        message.size += size
        self._size += size
        if len(message.pieces) == message.parts:
            self._drop(key)
            return b"".join(message.pieces[number] for number in range(1, message.parts + 1))
        if message.size > _MOST_OF_ONE:
            self._drop(key)
        while self._size > _MOST:
            self._drop(next(iter(self._unfinished)))
        return None

    def forget(self, sender: str) -> None:
        """A process has left."""
        self._drop((sender, True))
        self._drop((sender, False))

    def _drop(self, key: tuple[str, bool]) -> None:
        if message := self._unfinished.pop(key, None):
            self._size -= message.size
