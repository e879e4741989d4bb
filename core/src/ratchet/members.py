"""Members: who belongs to the cluster, when each was last heard, and who may be retired.

A member is a process that is alive, or a name whose newest slot is open and whose process nobody
hears: it is missing. It may be dead, or cut off with views that nobody else has.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from ratchet.frames import Digest, Hello, Rows
from ratchet.peers import Peers
from ratchet.slot import Slot
from ratchet.table import Joined, Table


class Member(NamedTuple):
    """A process of the cluster, or a name whose process nobody hears."""

    node: str
    # None for a name that is missing.
    process: str | None
    # `here` is this process. `indirect`: a peer is connected to it, and we are not.
    state: Literal["here", "connected", "indirect", "missing"]
    # How many seconds ago it was heard last.
    unheard_s: float
    slot: Slot | None
    url: str | None


class Refused(Exception):
    """A node can't be retired. `code` is "unknown" or "living"; the message says why."""

    def __init__(self, code: Literal["unknown", "living"], message: str) -> None:
        super().__init__(message)
        self.code = code


class Members:
    """What this process knows of the others, and since when."""

    def __init__(self, table: Table, peers: Peers, me: Hello, retire_after_s: float | None) -> None:
        """A member that is missing for `retire_after_s` is to be retired; None: never."""
        self._table = table
        self._peers = peers
        self._me = me
        self._retire_after_s = retire_after_s
        # Set at the first look: loading a large store takes long, and must not count as anybody's
        # absence.
        self._begun: float | None = None
        self._last_heard: dict[str, float] = {}
        self._closed_since: dict[Slot, float] = {}
        # The highest seq of each slot that anybody has ever spoken of.
        self._reported: dict[Slot, int] = {}

    # -- signs of life -------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Once a heartbeat: who is alive, and which slots are closed?"""
        if self._begun is None:
            self._begun = now
        for alive in self._peers.alive().values():
            self._last_heard[alive.node] = now
        table = self._table
        self._closed_since = {
            slot: self._closed_since.get(slot, now)
            for slot in table.columns
            if table.is_closed(slot)
        }
        self._reported = {s: n for s, n in self._reported.items() if not table.is_folded(s)}

    def note(self, frame: Digest | Rows, joined: Joined, now: float) -> None:
        """News of a process is a sign of life, even second-hand: a start, or a slot that is longer
        than any frame has said before.

        (Without this, a process that nobody near us is connected to would be retired, open a new
        slot, and be retired again as soon as we hear of that one.)
        """
        for slot in joined.started:
            self._last_heard[slot.node] = now
        for slot, seq in _seqs(frame):
            if seq > self.reported(slot):
                self._last_heard[slot.node] = now
            if seq > self._reported.get(slot, 0) and not self._table.is_folded(slot):
                self._reported[slot] = seq

    def reported(self, slot: Slot) -> int:
        """The highest seq of an unfolded slot that any frame has named since we started."""
        return max(self._reported.get(slot, 0), self._table.complete(slot))

    # -- who is there --------------------------------------------------------------------------

    def everyone(self, now: float) -> list[Member]:
        """All members, this process first."""
        here = [Member(self._me.node, self._me.process, "here", 0, self._table.own, self._me.url)]
        alive = [
            Member(
                one.node,
                process,
                "connected" if process in self._peers.by_process else "indirect",
                0,
                None if one.generation is None else Slot(one.node, one.generation),
                one.url or None,
            )
            for process, one in self._peers.alive().items()
        ]
        missing = [
            Member(node, None, "missing", unheard_s, Slot(node, self._table.newest[node]), None)
            for node, unheard_s in self.missing_s(now).items()
        ]
        return here + sorted(alive + missing, key=lambda one: (one.node, one.process or ""))

    def missing_s(self, now: float) -> dict[str, float]:
        """The missing names: for how many seconds nobody has heard them."""
        table = self._table
        alive = {(one.node, one.generation) for one in self._peers.alive().values()}
        begun = now if self._begun is None else self._begun
        return {
            node: now - self._last_heard.get(node, begun)
            for node, generation in table.newest.items()
            if not table.closed.covers(Slot(node, generation))
            and (node, generation) not in alive
            and Slot(node, generation) != table.own
        }

    def closed_s(self, now: float) -> dict[Slot, float]:
        """For how many seconds each closed slot that is here has been known to be closed."""
        return {
            slot: now - since
            for slot, since in self._closed_since.items()
            if slot in self._table.columns
        }

    # -- who may be retired --------------------------------------------------------------------

    def check_may_retire(self, node: str) -> None:
        """Raises `Refused` if `node` is alive or unknown: nobody can mean to retire it."""
        if node == self._me.node:
            raise Refused("living", f"{node} is the very node that you ask: let it leave instead")
        if any(alive.node == node for alive in self._peers.alive().values()):
            raise Refused("living", f"{node} is alive: let it leave instead")
        if node not in self._table.newest:
            raise Refused("unknown", f"nobody has ever heard of a node called {node}")

    def overdue(self, now: float) -> list[tuple[str, float]]:
        """The names that are to be retired by themselves, and for how many seconds nobody has
        heard them. None on a side of a split that does not have more than half of all names: of
        two halves, neither may take the other for dead."""
        if self._retire_after_s is None:
            return []
        table, missing_s = self._table, self.missing_s(now)
        members = {node for node in table.newest if not table.is_gone(node)}
        if 2 * len(members - missing_s.keys()) <= len(members):
            return []
        return [(node, s) for node, s in missing_s.items() if s >= self._retire_after_s]


def _seqs(frame: Digest | Rows) -> Iterable[tuple[Slot, int]]:
    if isinstance(frame, Rows):
        return [(frame.slot, frame.complete)]
    return [(slot, extent.durable) for slot, extent in frame.slots.items()]
