"""Members: who belongs to the cluster, when each was last alive, and who may be retired.

A member is

- a process that is alive;
- a missing name: its newest slot is open, and no process of it is alive. It may be dead, or cut off
  with views that no other node has. We know a name from its first hello on. Until we know a slot
  of it, `table.newest` has its `placeholder` for it;
- for the grace, a process that may have been dismissed by mistake: see `Dismissed`.

An import that has not ended is a missing name, too: nothing may be folded before all have its rows.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from ratchet.frames import Digest, Heartbeat, Hello, Pulse, Rows
from ratchet.generations import NOTHING
from ratchet.names import is_import
from ratchet.options import Options
from ratchet.peers import Peers
from ratchet.slot import Slot
from ratchet.table import Joined, Table

# The age of a digest that never came.
EVER: Final = float("inf")


# `here` is this process. `indirect`: a peer is connected to it, and we are not. `importing`: it is
# no process, but an import that has not ended.
State = Literal["here", "connected", "indirect", "missing", "importing"]


class Member(NamedTuple):
    """A process of the cluster, or a name whose process nobody hears."""

    node: str
    # None for a name that is missing.
    process: str | None
    state: State
    # Seconds since its last sign of life.
    silent_s: float
    slot: Slot | None
    url: str | None


class Dismissed(NamedTuple):
    """A process that may come back, although its name is not missing.

    Its slot was closed less than the grace ago: by an operator who took it for dead, or by a newer
    process of its name, perhaps on another disk. Or it was connected less than the grace ago, and
    was cut off before any node knew its slot.
    """

    node: str
    # Seconds until its grace ends.
    left_s: float
    # The last digest that we received from it, and how many seconds ago. None and infinite: none
    # since we started.
    digest: Digest | None = None
    age_s: float = EVER
    # None: no node knew it.
    slot: Slot | None = None


class Refused(Exception):
    """A node can't be retired. `code` is "unknown" or "living"; the message says why."""

    def __init__(self, code: Literal["unknown", "living"], message: str) -> None:
        super().__init__(message)
        self.code = code


class Members:
    """What this process knows of the others, and since when."""

    def __init__(self, table: Table, peers: Peers, me: Hello, options: Options) -> None:
        """`me`: this process."""
        self._table = table
        self._peers = peers
        self._me = me
        self._grace_s = options.grace_s
        self._retire_after_s = options.retire_after_s
        # Set at the first look: loading a large store takes long, and must not count as anybody's
        # absence.
        self._begun: float | None = None
        self._last_alive: dict[str, float] = {}
        # The slots that frames have named as counting since the last look.
        self._named: set[Slot] = set()
        self._closed_since: dict[Slot, float] = {}
        # When the owner of each slot sent us its last digest, and that digest.
        self._last_digests: dict[Slot, tuple[float, Digest]] = {}
        # The processes whose slot we don't know yet: their names, and when each was last alive.
        self._slotless: dict[str, tuple[str, float]] = {}
        # The highest seq of each slot that any frame has named.
        self._reported: dict[Slot, int] = {}

    # -- signs of life -------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Once a heartbeat: who is alive, and which slots are closed?"""
        if self._begun is None:
            self._begun = now
        for process, alive in self._peers.alive().items():
            self._last_alive[alive.node] = now
            if alive.generation is None:
                self._slotless[process] = alive.node, now
            else:
                self._slotless.pop(process, None)
                # Its digest has named it when it came; pulses do so again and again.
                self._named.add(Slot(alive.node, alive.generation))
        self._closed_since = closed_since = self._look_at_closed(now)
        table = self._table
        self._named = {Slot(node, table.newest[node]) for node in table.newest.names()}
        # Now forget what has no use any more.
        self._slotless = {
            process: each
            for process, each in self._slotless.items()
            if now - each[1] < self._grace_s
        }
        self._last_digests = {
            slot: last
            for slot, last in self._last_digests.items()
            if not table.is_closed(slot) or now - closed_since.get(slot, -EVER) < self._grace_s
        }
        self._reported = {s: n for s, n in self._reported.items() if not table.is_folded(s)}
        self._last_alive = {
            node: last for node, last in self._last_alive.items() if node in table.newest
        }

    def _look_at_closed(self, now: float) -> dict[Slot, float]:
        """Since when each slot is closed: the slots whose rows we have, and those whose process may
        come back."""
        table = self._table
        since = {
            slot: self._closed_since.get(slot, now)
            for slot in (*table.columns, *self._named, *self._closed_since)
            if table.is_closed(slot) and not table.is_folded(slot)
        }
        return {
            slot: time
            for slot, time in since.items()
            if slot in table.columns or slot in self._named or now - time < self._grace_s
        }

    def meet(self, hello: Hello, now: float) -> None:
        """A process is connected. We know its slot when its first digest comes."""
        self._last_alive[hello.node] = now
        self._slotless[hello.process] = hello.node, now

    def note(self, frame: Heartbeat | Rows, joined: Joined, now: float) -> None:
        """Note the signs of life in a frame, also those that its sender passes on: the start of a
        process, or a slot with a higher seq than any frame has named before.

        (Without this, a process that neither we nor our peers are connected to would be retired,
        open a new slot, and be retired again as soon as we know of that slot.)
        """
        if isinstance(frame, Digest):
            if frame.slot:
                self._last_digests[frame.slot] = now, frame
                self._named.add(frame.slot)
            for one in frame.alive.values():
                if one.generation is not None:
                    self._named.add(Slot(one.node, one.generation))
        elif isinstance(frame, Pulse) and frame.slot:
            self._named.add(frame.slot)
        for slot in joined.started:
            self._last_alive[slot.node] = now
            self._named.add(slot)
        for slot, seq in _seqs(frame):
            if seq > self.reported(slot):
                self._last_alive[slot.node] = now
            if seq > self._reported.get(slot, 0) and not self._table.is_folded(slot):
                self._reported[slot] = seq

    def brought(self, node: str, now: float) -> None:
        """An import begins here, or gets rows here."""
        self._last_alive[node] = now

    def agree(self, pulse: Pulse, digest: Digest, now: float) -> None:
        """A process has said `digest` again."""
        if pulse.slot:
            self._last_digests[pulse.slot] = now, digest

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
            Member(
                node,
                None,
                "importing" if is_import(node) else "missing",
                silent_s,
                self._newest_slot(node),
                None,
            )
            for node, silent_s in self.missing_s(now).items()
        ]
        return here + sorted(alive + missing, key=lambda one: (one.node, one.process or ""))

    def _newest_slot(self, node: str) -> Slot | None:
        newest = self._table.newest
        return Slot(node, newest[node]) if newest[node] > newest.placeholder else None

    def missing_s(self, now: float) -> dict[str, float]:
        """The missing names, and for how many seconds there was no sign of life of each."""
        table = self._table
        alive = {
            Slot(one.node, table.newest.placeholder if one.generation is None else one.generation)
            for one in self._peers.alive().values()
        }
        begun = now if self._begun is None else self._begun
        newest = (Slot(node, table.newest[node]) for node in table.newest.names())
        return {
            slot.node: now - self._last_alive.get(slot.node, begun)
            for slot in newest
            if not table.is_closed(slot) and slot not in alive and slot != table.own
        }

    def closed_s(self, now: float, old: int = NOTHING) -> dict[Slot, float]:
        """For how many seconds each closed slot has been known to be closed: the slots of which we
        have rows, and the last slots of names that have gone if their generation is up to `old`."""
        columns, newest = self._table.columns, self._table.newest
        return {
            slot: now - since
            for slot, since in self._closed_since.items()
            if slot in columns or newest[slot.node] == slot.generation <= old
        }

    def dismissed(self, now: float) -> Iterator[Dismissed]:
        """The processes that may come back with rows that no other node has, although their names
        are not missing."""
        # Look again: an operator may have retired a missing name since the last look.
        for slot, since in self._look_at_closed(now).items():
            if (left_s := since + self._grace_s - now) > 0 and not self._is_placeholder(slot):
                received, digest = self._last_digests.get(slot, (-EVER, None))
                yield Dismissed(slot.node, left_s, digest, now - received, slot)
        alive = self._peers.alive()
        for process, (node, last_alive) in self._slotless.items():
            # A process that is alive is a member anyway.
            if process not in alive and (left_s := last_alive + self._grace_s - now) > 0:
                yield Dismissed(node, left_s)

    def _is_placeholder(self, slot: Slot) -> bool:
        """Whether `slot` stood for the slots of a name while we knew none, and now we know one."""
        newest = self._table.newest
        return slot.generation == newest.placeholder < newest[slot.node]

    # -- who may be retired --------------------------------------------------------------------

    def check_may_retire(self, node: str) -> None:
        """Raises `Refused` if `node` is alive or unknown: nobody can mean to retire it."""
        if node == self._me.node:
            raise Refused("living", f"{node} is the very node that you ask: let it leave instead")
        if any(alive.node == node for alive in self._peers.alive().values()):
            raise Refused("living", f"{node} is alive: let it leave instead")
        if node not in self._table.newest:
            raise Refused("unknown", f"no node called {node} is known here")

    def overdue(self, now: float) -> list[tuple[str, float]]:
        """The names to retire without an operator, and for how many seconds each has been missing.
        On a side of a split with half of all names or less, there are none: neither of two halves
        may take the other for dead."""
        if self._retire_after_s is None:
            return []
        table = self._table
        missing_s = {node: s for node, s in self.missing_s(now).items() if not is_import(node)}
        members = {node for node in table.nodes() if not table.is_gone(node)}
        if 2 * len(members - missing_s.keys()) <= len(members):
            return []
        return [(node, s) for node, s in missing_s.items() if s >= self._retire_after_s]


def _seqs(frame: Heartbeat | Rows) -> Iterable[tuple[Slot, int]]:
    if isinstance(frame, Rows):
        return [(frame.slot, frame.complete)]
    if isinstance(frame, Pulse):
        return [(frame.slot, frame.extent.durable)] if frame.slot else []
    return [(slot, extent.durable) for slot, extent in frame.slots.items()]
