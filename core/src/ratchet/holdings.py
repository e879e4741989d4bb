"""Holdings: what the other processes have on disk of what is here, and the other way round."""

from collections.abc import Iterable, Mapping

from ratchet.column import Column
from ratchet.peers import Peer, Peers
from ratchet.slot import Slot
from ratchet.table import Table


class Holdings:
    """The table beside what the peers have said about theirs."""

    def __init__(self, table: Table, peers: Peers, node: str) -> None:
        """`node`: our own name."""
        self._table = table
        self._peers = peers
        self._node = node

    def behind(self, process: str) -> int:
        """How many changes that are here the peer does not have on disk, as far as it has said."""
        peer, left_out = self._peers.by_process[process], self._left_out()
        return peer.lacks + sum(
            max(0, column.complete - peer.durable(slot))
            for slot, column in self._table.columns.items()
            if peer.whole or slot not in left_out
        )

    def ahead(self, process: str) -> int:
        """How many changes that the peer has on disk are not here."""
        peer = self._peers.by_process[process]
        slots = {*(peer.digest.slots if peer.digest else ()), *([peer.slot] if peer.slot else ())}
        return sum(self._table.lacks(slot, peer.extent(slot).durable) for slot in slots)

    def own_seqs(self) -> dict[Slot, int]:
        """How many changes each slot of our name has."""
        columns = self._table.columns.items()
        return {slot: column.complete for slot, column in columns if slot.node == self._node}

    def shared(self, seqs: Mapping[Slot, int]) -> bool:
        """Whether all of each slot up to its seq is on another disk, perhaps in its base."""
        return all(
            any(peer.durable(slot) >= seq for peer in self._peers)
            or (self._table.is_folded(slot) and self._base_shared(self._peers))
            for slot, seq in seqs.items()
        )

    def unshared(self, left: Slot | None = None) -> int:
        """How many changes here are on no disk of a process that stays; 0 when all is handed over.

        `left`: our slot, if we have closed it to leave. Somebody must know of that, too.
        """
        staying = self.staying()
        # Skip the slots whose owners stay: an owner has rows on disk before it pushes them.
        theirs = {peer.slot for peer in staying}
        rows = sum(
            min((_lacks(peer, column) for peer in staying), default=_changes(column))
            for slot, column in self._table.columns.items()
            if slot not in theirs
        )
        rows += not self._base_shared(staying)
        if left is None:
            return rows
        told = (peer.digest and peer.digest.closed.covers(left) for peer in staying)
        return rows + (not any(told))

    def staying(self) -> list[Peer]:
        """The peers that count in an open slot, and so do not leave."""
        return [peer for peer in self._peers if peer.slot and not self._table.is_closed(peer.slot)]

    def by_node(self, slot: Slot) -> dict[str, int]:
        """For each connected name, and ours: up to which seq it has all of `slot` on disk."""
        column = self._table.columns.get(slot)
        held = {self._node: column.durable if column else 0}
        is_left_out = slot in self._left_out()
        for peer in self._peers:
            durable = peer.durable(slot)
            if is_left_out and column and not peer.whole and slot != peer.slot:
                # It says only what it lacks of all such slots together.
                durable = max(durable, column.complete - peer.lacks)
            # Two processes may have one name for a while.
            node = peer.hello.node
            held[node] = max(held.get(node, 0), durable)
        return held

    def _left_out(self) -> set[Slot | None]:
        """The slots that are left out of pulses, as their owners speak for them."""
        slots = {self._table.own, *(peer.slot for peer in self._peers)}
        return {slot for slot in slots if slot and not self._table.is_closed(slot)}

    def _base_shared(self, peers: Iterable[Peer]) -> bool:
        """Whether one of them has all of our base. (A node that was alone, or nearly alone, may
        have folded what nobody else has.)"""
        table = self._table
        if not (len(table.base) or table.lifting):
            return True
        return not table.lifting and any(
            peer.has_base(table.base, table.days, table.folded) for peer in peers
        )


def _lacks(peer: Peer, column: Column) -> int:
    """How many changes of `column` the peer does not have on disk, as far as it has said."""
    slot = column.slot
    if peer.extent(slot).fingerprint == column.fingerprint:
        return 0
    return max(0, _changes(column) - peer.durable(slot))


def _changes(column: Column) -> int:
    """How many changes of `column` are here. No claim covers those that a broken transfer has left,
    and its sender may be gone for ever."""
    return max(column.complete, column.highest)
