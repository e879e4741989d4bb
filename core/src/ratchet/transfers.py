"""Transfers: which missing rows we have asked for, and whom. At most one peer for each slot.

A transfer comes chunk by chunk. We ask for the next chunk while the last one is being written, and
for no more before that is done: so only a few are in memory alone. It claims at its end what its
sender claimed at its beginning, and nothing before: if a row was replaced while the transfer ran,
it stands behind its higher seq, in a later chunk, and nowhere else. So each chunk must have been
sent after the one before it had arrived: questions are numbered, and answers repeat the number. (A
late push once began exactly where the next chunk was awaited. It ended the transfer, and rows were
claimed that had moved on meanwhile.)
"""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final, TypeGuard

from ratchet.frames import BaseRows, Rows, Want, WantBase
from ratchet.slot import Slot

# After this long without an answer, we ask again, and may ask another peer.
ASK_AGAIN_S: Final = 2.0
# After this long without a chunk, we begin the transfer anew with another peer.
GIVE_UP_S: Final = 10.0


@dataclass(slots=True)
class Transfer:
    """An open question: to which peer, when it was last sent, for the rows above which seq."""

    peer: str
    at: float
    above: int
    number: int
    # When it was sent first.
    since: float
    # Up to which seq it will make us complete: what the peer's first frame said.
    complete: int | None = None
    # Since the last write, a chunk has come; and another one, so we have not asked for the next.
    writing: bool = False
    waiting: bool = False
    # The day whose base is asked for; None: that of all days.
    day: int | None = None


class Transfers:
    """All open questions of this replica."""

    def __init__(self, process: str) -> None:
        """`process`: the id of this process, 16 hex digits."""
        self._by_slot: dict[Slot, Transfer] = {}
        self._base: Transfer | None = None
        # Don't start at 0: an answer to the last process of our name must not be one to us.
        self._questions = int(process, 16) % 2**52

    def ask(
        self, slot: Slot, above: int, process: str, now: float, connected: Container[str]
    ) -> Want | None:
        """The question to `process` for the rows of `slot` above a seq; None while one is open."""
        transfer = self._by_slot.get(slot)
        if _awaited(transfer, now) and (
            # However often we have repeated the question, another peer takes over at last.
            transfer.peer == process
            or transfer.complete is not None
            or now - transfer.since < GIVE_UP_S
        ):
            return None
        if transfer and transfer.peer in connected:
            # Ask a slow peer the same again: a transfer that began anew each time would never end.
            # In the middle of a transfer, another peer takes over only when this one seems dead.
            if transfer.peer == process:
                transfer.at = now
                return Want(slot, transfer.above, transfer.number)
            if transfer.complete is not None and now - transfer.at < GIVE_UP_S:
                return None
        self._by_slot[slot] = Transfer(process, now, above, self._number(), now)
        return Want(slot, above, self._questions)

    def answered_by(self, frame: Rows, process: str) -> Transfer | None:
        """The transfer whose open question `frame` answers."""
        transfer = self._by_slot.get(frame.slot)
        if transfer and transfer.peer == process and transfer.number == frame.answers:
            return transfer
        return None

    def advance(self, transfer: Transfer, frame: Rows, now: float) -> int | None:
        """`frame` continues the transfer. If it is the last, up to which seq we are complete."""
        if transfer.complete is None:
            transfer.complete = frame.complete
        if not frame.more:
            del self._by_slot[frame.slot]
            return transfer.complete
        transfer.at = transfer.since = now
        transfer.above, transfer.number = frame.rows[-1].seq, self._number()
        transfer.waiting, transfer.writing = transfer.writing, True
        return None

    def following(self, slot: Slot) -> Want | None:
        """A chunk of `slot` has come: the question for the next one. None: not yet, or there is
        none."""
        transfer = self._by_slot.get(slot)
        if transfer is None or transfer.waiting:
            return None
        return Want(slot, transfer.above, transfer.number)

    def saved(self, slot: Slot) -> tuple[str, Want] | None:
        """Chunks of `slot` are on disk: the peer and the question that has waited for that."""
        transfer = self._by_slot.get(slot)
        if transfer is None:
            return None
        waited, transfer.waiting, transfer.writing = transfer.waiting, False, False
        return (transfer.peer, Want(slot, transfer.above, transfer.number)) if waited else None

    def ask_for_base(self, process: str, now: float, day: int | None) -> WantBase | None:
        """The question for the whole base and its days, or for `day` and those after it; None while
        one is open."""
        if _awaited(self._base, now):
            return None
        self._base = Transfer(process, now, 0, self._number(), now, day=day)
        return WantBase(0, day)

    def base_answered_by(self, frame: BaseRows, process: str) -> bool:
        """Whether `frame` continues the transfer of the base."""
        transfer = self._base
        asked = transfer and (transfer.peer, transfer.above, transfer.day)
        return asked == (process, frame.start, frame.day)

    def advance_base(self, frame: BaseRows, now: float) -> WantBase | None:
        """`frame` continues the transfer of the base. The next question, None after the last."""
        assert self._base
        above = frame.start + len(frame.entries)
        if frame.entries and above < frame.total:
            self._base.at, self._base.above = now, above
        elif frame.following is not None:
            self._base.at, self._base.above, self._base.day = now, 0, frame.following
        else:
            self._base = None
            return None
        return WantBase(self._base.above, self._base.day)

    def drop_base(self) -> None:
        """The base has changed under the transfer. It begins anew if need be."""
        self._base = None

    def awaits(self, slot: Slot, now: float) -> bool:
        """Whether rows of `slot` may be on their way here."""
        return _awaited(self._by_slot.get(slot), now)

    def are_late(self, now: float) -> bool:
        """Whether a question has waited for too long for its answer."""
        waits = self._by_slot.values()
        return any(not it.waiting and now - it.since >= ASK_AGAIN_S for it in waits)

    def drop(self, useless: Callable[[Slot], bool]) -> None:
        """Forget the questions about the slots that are `useless`."""
        self._by_slot = {s: one for s, one in self._by_slot.items() if not useless(s)}

    def left(self, process: str) -> None:
        """`process` will not answer any more."""
        self._by_slot = {s: one for s, one in self._by_slot.items() if one.peer != process}
        if self._base and self._base.peer == process:
            self._base = None

    def _number(self) -> int:
        self._questions += 1
        return self._questions


def _awaited(transfer: Transfer | None, now: float) -> TypeGuard[Transfer]:
    return transfer is not None and now - transfer.at < ASK_AGAIN_S
