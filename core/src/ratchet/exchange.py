"""A table that is kept equal with those of its peers: anti-entropy.

Every second each tells the others what it has (its digest), and whoever is behind asks *one* peer
for the rows above its own seq (see `transfers`). If whoever is ahead sent them unasked, as in
Scuttlebutt (van Renesse et al., 2008), a replica that comes back would get every row from every
peer at once. Live changes are pushed to all by their owner; one that doesn't fit (a gap before it)
is dropped and asked for. Where two claim the same and have not the same (a transfer that broke
off, its sender gone for ever), each asks the other for all. Any replica passes on any slot's rows,
so a crashed node's last ones spread from whoever has the most of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ratchet.changes import ColumnChange
from ratchet.frames import (
    MAX_SLOTS,
    BaseRows,
    Digest,
    Extent,
    Frame,
    Have,
    Hello,
    Rows,
    Want,
    WantBase,
)
from ratchet.peers import NOTHING, Peer, Peers
from ratchet.slot import Slot
from ratchet.table import Table
from ratchet.transfers import Transfers

# How soon all of a slot is asked for again, of a peer that has as much and not the same.
DOUBT_AGAIN_S: Final = 5.0


class Send(NamedTuple):
    """A frame for one peer (its process), or for every peer where `to` is None."""

    to: str | None
    frame: Frame


class Exchange(Table, ABC):
    """What a replica says and hears. Which slot is its own, and what to do when somebody else
    writes there, is for `Replica` to say."""

    def __init__(self, me: Hello, now: float, chunk: int) -> None:
        """`chunk` is how many rows a frame holds at the most."""
        super().__init__()
        self.me = me
        self.node = me.node
        self.slot: Slot | None = None
        self.peers = Peers(me.process)
        self._now = now
        self._chunk = chunk
        self._transfers = Transfers(me.process)
        # When we last asked a peer for all of a slot.
        self._doubted: dict[tuple[Slot, str], float] = {}
        # Whether peers are to tell when they have the rows that are just being written.
        self._ask_to_tell = False
        # Peers that want to be told when what there is of a slot is on disk.
        self._to_tell: dict[Slot, set[str]] = {}
        # Up to where anybody has ever said to have a slot.
        self._said: dict[Slot, int] = {}
        # What peers had when they first spoke: to have caught up means to have all of it.
        self._goals: dict[Slot, int] = {}

    @abstractmethod
    def _join_digest(self, theirs: Digest) -> None:
        """Take in what a peer knows of the cluster."""

    @abstractmethod
    def _disown(self, why: str) -> None:
        """Somebody holds our slot higher than we do."""

    # -- what we have, and what they have --------------------------------------------------

    def digest(self) -> Digest:
        """What this replica has on disk."""
        slots = self._extents()
        if len(slots) > MAX_SLOTS:
            # The same ones on every node: those can be agreed on.
            told = {*sorted(slots)[:MAX_SLOTS], self.slot}
            slots = {slot: extent for slot, extent in slots.items() if slot in told}
        return Digest(
            slot=self.slot,
            slots=slots,
            heard=dict(self.heard),
            closed=dict(self.closed),
            folded=dict(self.folded),
            lifted=dict(self.lifted),
            base=self._base_content(),
            alive=self.peers.heard_here(),
        )

    def behind(self, process: str) -> int:
        """How many changes that are here the peer has not claimed to have on disk."""
        peer = self.peers.by_process[process]
        return sum(max(0, c.upto - peer.claim(slot)) for slot, c in self.columns.items())

    def ahead(self, process: str) -> int:
        """How many changes that the peer has on disk are not here."""
        peer = self.peers.by_process[process]
        claims = peer.digest.slots if peer.digest else {}
        return sum(self.lacks(slot, extent.upto) for slot, extent in claims.items())

    def caught_up(self) -> bool:
        """Whether everything is here that any peer had when it first spoke, gone since or not."""
        if any(self.lacks(slot, upto) for slot, upto in self._goals.items()):
            return False
        return all(peer.digest and not peer.base_due for peer in self.peers)

    def most_heard(self, slot: Slot) -> int:
        """Up to where anybody, its owner too, was ever heard to have `slot`."""
        return max(self._said.get(slot, 0), self._upto(slot))

    def extents(self) -> dict[Slot, int]:
        """Up to where each slot of this name is written."""
        return {slot: c.upto for slot, c in self.columns.items() if slot.node == self.node}

    def shared(self, extents: Mapping[Slot, int]) -> bool:
        """Whether each of these is on the disk of some other process, perhaps in its base."""
        return all(
            any(peer.claim(slot) >= upto for peer in self.peers)
            or (self.is_folded(slot) and self._base_shared(self.peers))
            for slot, upto in extents.items()
        )

    def _base_shared(self, peers: Iterable[Peer]) -> bool:
        """Whether one of them has all of our base. (A node that was alone, or nearly, may have
        folded what nobody else has.)"""
        if not (len(self.base) or self.lifting):
            return True
        return not self.lifting and any(peer.has_base(self.base, self.folded) for peer in peers)

    # -- talking ---------------------------------------------------------------------------

    def joined(self, hello: Hello) -> list[Send]:
        """A connection to another process is up."""
        self.peers.by_process[hello.process] = Peer(hello)
        return [Send(hello.process, self.digest())]

    def left(self, process: str) -> None:
        """The last connection to it is down."""
        self.peers.by_process.pop(process, None)
        self._transfers.left(process)
        self._doubted = {doubt: at for doubt, at in self._doubted.items() if doubt[1] != process}

    def ask_who_has(self) -> list[Send]:
        """Ask all peers to say at once what they have of this name's slots."""
        return [
            Send(None, Rows(slot, upto, upto, False, (), tell=True))
            for slot, upto in self.extents().items()
        ]

    def receive(self, frame: Frame, process: str, now: float) -> list[Send]:
        """A frame came from a connected peer; what to answer."""
        self._now = now
        match frame:
            case Digest():
                return self._compare(frame, process)
            case Rows():
                return self._hear_rows(frame, process)
            case Want():
                return self._answer(frame, process)
            case Have(slot, upto):
                if slot in self.columns:
                    has = self.peers.by_process[process].has
                    has[slot] = max(upto, has.get(slot, 0))
                return []
            case WantBase(start):
                rows = tuple(self.base.chunk(start, self._chunk))
                answer = BaseRows(dict(self.folded), start, len(self.base), rows)
                return [] if self.lifting else [Send(process, answer)]
            case BaseRows():
                return self._hear_base(frame, process)
            case _:  # A second hello says nothing new.
                return []

    def _compare(self, theirs: Digest, process: str) -> list[Send]:
        peer = self.peers.by_process[process]
        if peer.digest is None:
            for slot, extent in theirs.slots.items():
                self._goals[slot] = max(extent.upto, self._goals.get(slot, 0))
        peer.digest = theirs
        self._join_digest(theirs)
        sends = []
        for slot, extent in theirs.slots.items():
            self._say(slot, extent.upto)
            if slot == self.slot and self.lacks(slot, extent.upto):
                self._disown(f"{peer.hello.node} holds {slot} higher than we do")
            sends += self._want(slot, extent.upto, process) or self._doubt(slot, extent, process)
        # Bases can be compared only where the same slots have been folded into them. A peer that
        # has folded less will have lifted, too, when it speaks again.
        peer.base_due = self.lifting != {} or not peer.has_base(self.base, self.folded)
        settled = theirs.base is not None and not self.lifting
        if peer.base_due and settled and theirs.folded == self.folded:
            ask = self._transfers.ask_for_base(process, self._now)
            sends += [Send(process, ask)] if ask else []
        return sends

    def _hear_rows(self, frame: Rows, process: str) -> list[Send]:
        slot = frame.slot
        if self.is_folded(slot):
            return []  # The sender lifts as soon as it hears of the fold.
        if slot == self.slot:
            if frame.rows and frame.rows[-1].seq > self._upto(slot):
                self._disown(f"{self.peers.by_process[process].hello.node} wrote into {slot}")
            return []
        self._hear(slot)
        self._say(slot, frame.upto)
        transfer = self._transfers.answered_by(frame, process)
        if frame.tell:
            self._to_tell.setdefault(slot, set()).add(process)
        if frame.start > self._upto(slot) and not transfer:
            return self._want(slot, frame.upto, process)
        upto = self._transfers.advance(transfer, frame, self._now) if transfer else frame.upto
        if self._merge_rows(slot, frame.rows, 0 if frame.more else upto or 0):
            return []
        return self._next_chunk(slot) + self._tell(slot)

    def _hear_base(self, frame: BaseRows, process: str) -> list[Send]:
        if not self._transfers.base_answered_by(frame, process):
            return []
        if self.lifting or frame.folded != self.folded:
            # The larger of each would lose what one has in its base and the other in a slot.
            self._transfers.drop_base()
            return []
        self._merge_base(frame.rows)
        if ask := self._transfers.advance_base(frame, self._now):
            return [Send(process, ask)]
        self.peers.by_process[process].base_due = False
        return []

    def _answer(self, want: Want, process: str) -> list[Send]:
        column = self.columns.get(want.slot)
        if column is None:
            return []
        rows, more = column.above(want.above, self._chunk)
        answer = Rows(want.slot, want.above, column.upto, more, tuple(rows), answers=want.number)
        return [Send(process, answer)]

    def _push(self, own: ColumnChange) -> list[Send]:
        if not self.peers.by_process:
            return []
        sends = []
        # Not what our column was complete to: of a slot that we have given up meanwhile, somebody
        # may have told us these very rows (from a copy of our disk).
        start = own.rows[0].seq - 1
        for at in range(0, len(own.rows), self._chunk):
            # Nothing is replaced within one commit, so each chunk is complete by itself.
            chunk = own.rows[at : at + self._chunk]
            frame = Rows(own.slot, start, chunk[-1].seq, False, chunk, self._ask_to_tell)
            sends.append(Send(None, frame))
            start = chunk[-1].seq
        return sends

    def _want(self, slot: Slot, upto: int, process: str) -> list[Send]:
        """Ask for what is missing of `slot`, unless it is asked for already."""
        if slot == self.slot or not self.lacks(slot, upto):
            return []
        return self._ask(slot, self._column(slot).upto, process)

    def _doubt(self, slot: Slot, theirs: Extent, process: str) -> list[Send]:
        """They claim as much as we do. Ask for all if it isn't the same that they have."""
        if slot == self.slot or theirs.fingerprint is None or self.is_folded(slot):
            return []
        ours = self._extent(slot)
        if ours.fingerprint is None or ours.upto != theirs.upto or ours == theirs:
            return []
        # Not on each of its digests: whoever always fetches never says what it has, and the other,
        # who may lack something itself, never doubts.
        last = self._doubted.get((slot, process))
        if last is not None and self._now - last < DOUBT_AGAIN_S:
            return []
        self._doubted[slot, process] = self._now
        return self._ask(slot, 0, process)

    def _ask(self, slot: Slot, above: int, process: str) -> list[Send]:
        ask = self._transfers.ask(slot, above, process, self._now, self.peers.by_process)
        return [Send(process, ask)] if ask else []

    def _next_chunk(self, slot: Slot) -> list[Send]:
        """What came of `slot` is on disk: ask for the next chunk of a transfer."""
        following = self._transfers.next_chunk(slot)
        return [Send(*following)] if following else []

    def _tell(self, slot: Slot) -> list[Send]:
        """Tell those who want to know what is on disk of `slot`, if nothing waits to get there."""
        column = self.columns[slot]
        if column.durable < column.upto:
            return []
        have = Have(slot, column.durable)
        return [Send(process, have) for process in self._to_tell.pop(slot, ())]

    # -- state -----------------------------------------------------------------------------

    def _extents(self) -> dict[Slot, Extent]:
        return {slot: self._extent(slot) for slot in self.columns}

    def _extent(self, slot: Slot) -> Extent:
        """How much of a slot is on disk; its fingerprint, if just that is here and comes."""
        column = self.columns.get(slot)
        if column is None:
            return NOTHING
        settled = self._settled(slot) and not self._transfers.awaits(slot, self._now)
        return Extent(column.durable, column.fingerprint if settled else None)

    def _base_content(self) -> int | None:
        """The fingerprint of the base, if just that is on disk which is here."""
        return self.base.fingerprint if self._base_settled() else None

    def _say(self, slot: Slot, upto: int) -> None:
        if upto > self._said.get(slot, 0) and not self.is_folded(slot):
            self._said[slot] = upto

    def _lift(self, slot: Slot) -> None:
        super()._lift(slot)
        self._transfers.drop(slot)
        self._to_tell.pop(slot, None)
        self._said.pop(slot, None)
