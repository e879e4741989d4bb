"""Rows that are missing here, and who has been asked for them: at most one peer for each slot.

A transfer comes chunk by chunk, the next when the last is on disk. It claims at its end what its
sender claimed at its beginning, and nothing before: a row that was replaced while it ran stands
behind its higher seq, in a later chunk, and nowhere else. So each chunk must have been sent after
the one before it had come: questions are numbered, and answers repeat the number. (A late push
that happened to begin where the next chunk was awaited ended a transfer, and claimed rows that
had moved on meanwhile.)
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from ratchet.frames import BaseRows, Rows, Want, WantBase
from ratchet.slot import Slot

# After this long without an answer, rows are asked for again, from whoever has them.
ASK_AGAIN_S: Final = 2.0
# After this long without a chunk, a transfer is begun anew with another peer.
GIVE_UP_S: Final = 10.0


@dataclass(slots=True)
class Transfer:
    """An open question: to whom, when it was last said, and above what."""

    peer: str
    at: float
    above: int
    number: int
    # Up to where it makes complete: what the peer claimed with its first frame.
    upto: int | None = None
    # A chunk has come, and the next is asked for when it is on disk.
    writing: bool = False


class Transfers:
    """All open questions of a replica."""

    def __init__(self, process: str) -> None:
        """`process`: who asks, 16 hex digits."""
        self._by_slot: dict[Slot, Transfer] = {}
        self._base: Transfer | None = None
        # Not from 0: an answer to the process that had our name before must not be one to us.
        self._questions = int(process, 16) % 2**52

    def ask(
        self, slot: Slot, above: int, process: str, now: float, connected: Container[str]
    ) -> Want | None:
        """The question to `process` for the rows of `slot` above a seq, unless one is open."""
        transfer = self._by_slot.get(slot)
        if _awaited(transfer, now):
            return None
        if transfer and transfer.peer in connected:
            # A slow peer is asked the same again. Begun anew each time, a transfer would never
            # end; in its middle another peer takes over only when this one is as good as dead.
            if transfer.peer == process:
                transfer.at = now
                return Want(slot, transfer.above, transfer.number)
            if transfer.upto is not None and now - transfer.at < GIVE_UP_S:
                return None
        self._by_slot[slot] = Transfer(process, now, above, self._number())
        return Want(slot, above, self._questions)

    def answered_by(self, frame: Rows, process: str) -> Transfer | None:
        """The transfer whose open question `frame` answers."""
        transfer = self._by_slot.get(frame.slot)
        if transfer and transfer.peer == process and transfer.number == frame.answers:
            return transfer
        return None

    def advance(self, transfer: Transfer, frame: Rows, now: float) -> int | None:
        """`frame` continues the transfer. Up to where all is here now, if it was the last."""
        if transfer.upto is None:
            transfer.upto = frame.upto
        if not frame.more:
            del self._by_slot[frame.slot]
            return transfer.upto
        transfer.at, transfer.above, transfer.writing = now, frame.rows[-1].seq, True
        transfer.number = self._number()
        return None

    def next_chunk(self, slot: Slot) -> tuple[str, Want] | None:
        """What came of `slot` is on disk: whom to ask for the next chunk."""
        transfer = self._by_slot.get(slot)
        if transfer is None or not transfer.writing:
            return None
        transfer.writing = False
        return transfer.peer, Want(slot, transfer.above, transfer.number)

    def ask_for_base(self, process: str, now: float) -> WantBase | None:
        """The question for the whole base, unless one is open."""
        if _awaited(self._base, now):
            return None
        self._base = Transfer(process, now, 0, self._number())
        return WantBase(0)

    def base_answered_by(self, frame: BaseRows, process: str) -> bool:
        """Whether `frame` continues the transfer of the base."""
        transfer = self._base
        return bool(transfer and transfer.peer == process and transfer.above == frame.start)

    def advance_base(self, frame: BaseRows, now: float) -> WantBase | None:
        """`frame` continues the transfer; the next question, None if it was the last."""
        assert self._base
        above = frame.start + len(frame.rows)
        if frame.rows and above < frame.total:
            self._base.at, self._base.above = now, above
            return WantBase(above)
        self._base = None
        return None

    def drop_base(self) -> None:
        """The base has changed under it: it is begun anew, if need be."""
        self._base = None

    def awaits(self, slot: Slot, now: float) -> bool:
        """Whether rows of `slot` may be on their way here."""
        return _awaited(self._by_slot.get(slot), now)

    def drop(self, slot: Slot) -> None:
        """Its rows aren't needed any more."""
        self._by_slot.pop(slot, None)

    def _number(self) -> int:
        self._questions += 1
        return self._questions

    def left(self, process: str) -> None:
        """It won't answer any more."""
        self._by_slot = {s: one for s, one in self._by_slot.items() if one.peer != process}
        if self._base and self._base.peer == process:
            self._base = None


def _awaited(transfer: Transfer | None, now: float) -> bool:
    return transfer is not None and now - transfer.at < ASK_AGAIN_S
