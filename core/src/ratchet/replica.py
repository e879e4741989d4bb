"""A replica that counts: the state machine that a node drives. No IO, no clock, no chance.

Whoever drives it owes it this (the server's keeper and the simulator do):

- `now` is in seconds on a clock that never goes back; `tick` is called several times a second.
- Frames from a connection go to `receive`; every `Send` that any method returns is sent, or lost.
- `changes()` is written **in one transaction**; then `committed(changes)` is called, or, when it
  surely wasn't written, `aborted(changes)`. One at a time. Nothing else may be written.
- Once `superseded()`, it counts no more: what is written and unshared is handed over, and the
  process ends.

What follows from it, and holds for every caller:

- **Durable before visible.** Own views enter the column, and are pushed, in `committed`: nobody
  ever sees a view that a crash can take back.
- **A digest claims only what is on disk**, so that a crash of this process makes no other believe
  that rows are safe here.
- Its own slot is written by nobody else, and no other slot is written here but by merging.

The table of counts is in `table`, the talk with peers in `exchange`, and when to forget in
`folding`; here is how a process counts: in a slot that it opens, may lose, and closes.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from ratchet import folding, generations
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.exchange import Exchange, Send
from ratchet.folding import Fold
from ratchet.frames import MAX_ROWS, Digest, Hello
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot, new_generation
from ratchet.snapshot import Snapshot

# How often digests are said: what was lost is noticed within a second.
HEARTBEAT_S: Final = 1.0
# How long a process waits to hear from a peer before it opens its slot all alone.
ALONE_S: Final = 2.0
# Who hears that a newer process of its name has started waits this long to hear that it is alive:
# a heartbeat of it to a peer, one of that peer to us, and one to spare.
RIVAL_S: Final = 3.0
# And longer each time: two processes of one name that hear of each other over several nodes, and
# so never hear each other live, would open slots in turns.
MAX_PATIENCE_S: Final = 300.0
# How often it is said again that a missing member is in the way of a fold.
REMIND_S: Final = 3600.0


Kind = Literal["opened", "superseded", "reopened", "retired", "folded", "unseen", "missing"]


class Notice(NamedTuple):
    """Something that whoever runs the node should know. The driver logs and counts it."""

    kind: Kind
    text: str


class Member(NamedTuple):
    """A process of the cluster, or a name whose process nobody hears."""

    node: str
    # None for a name that is missing.
    process: str | None
    state: Literal["here", "connected", "heard", "missing"]
    # How many seconds ago it was heard last.
    unheard_s: float
    slot: Slot | None
    url: str | None


class Refused(Exception):
    """A node can't be retired. `code` is "unknown" or "living"; the message says why."""

    def __init__(self, code: Literal["unknown", "living"], message: str) -> None:
        super().__init__(message)
        self.code = code


class Replica(Exchange):
    """All counters of one node, its own slot, and the peers that it talks to."""

    def __init__(
        self,
        me: Hello,
        started_ms: int,
        chance: Callable[[int], int],
        now: float,
        *,
        grace_s: float = 3600.0,
        retire_after_s: float | None = None,
        chunk: int = MAX_ROWS,
    ) -> None:
        """A replica with nothing in it. `started_ms` is the wall clock; see `new_generation`.

        `grace_s`: how long a slot is closed before it may be folded. `retire_after_s`: a member
        that is missing for so long is retired, None for never. `chunk` is how many rows a frame
        holds at the most, 1 to `MAX_ROWS`.
        """
        super().__init__(me, now, chunk)
        self.notices: list[Notice] = []
        # At how many addresses, given to this node, nobody has ever been met. The driver says so.
        self.unmet = 0
        self.grace_s = grace_s
        self._retire_after_s = retire_after_s
        self._started_ms = started_ms
        self._chance = chance
        # Set at the first tick: reading a large store back may take longer than being alone.
        self._begun: float | None = None
        self._next_digest = now
        # Own views that are in no changes yet, and those that are just being written.
        self._pending: dict[str, int] = {}
        self._counting: dict[str, int] = {}
        self._superseded: str | None = None
        self._leaving = False
        # Since when a newer generation of our name is known, and nothing of its process.
        self._newer_since: float | None = None
        self._patience_s = RIVAL_S
        self._closed_since: dict[Slot, float] = {}
        self._last_heard: dict[str, float] = {}
        self._reminded: dict[str, float] = {}

    # -- reading ---------------------------------------------------------------------------

    def pending(self, video: str) -> int:
        """Views of `video` that are counted here and on no disk yet."""
        return self._pending.get(video, 0) + self._counting.get(video, 0)

    def snapshot(self, video: str) -> Snapshot:
        """What a browser is told."""
        return Snapshot(video, self.counter(video), dict(self.folded))

    # -- counting and writing --------------------------------------------------------------

    @property
    def counting(self) -> bool:
        """Whether views can be written now. Until then they wait, or are refused."""
        return (
            self.slot is not None
            and self.heard[self.node] <= self.slot.generation
            and not self.is_closed(self.slot)
        )

    def count(self, video: str, views: int = 1) -> None:
        """Count `views`. They become visible when the changes that hold them are committed."""
        self._pending[video] = self._pending.get(video, 0) + views

    def changes(self, *, tell: bool = False) -> Changes | None:
        """What is to be written now; None when there is nothing.

        With `tell`, peers are asked to say at once when they have it, too (see `shared`).
        """
        self._ask_to_tell = tell
        own = self._own_rows(self.slot) if self.slot and self.counting and self._pending else None
        return self._begin_writing(own)

    def committed(self, changes: Changes) -> list[Send]:
        """`changes` are on disk: claim them, show and push the own ones, ask for what follows."""
        own, self._counting = self._own, {}
        self._written(changes)
        sends = self._push(own) if own and own.slot in self.columns else []
        for slot, _, _ in changes.columns:
            if slot in self.columns:
                sends += self._next_chunk(slot) + self._tell(slot)
        return sends

    def aborted(self, changes: Changes) -> None:
        """`changes` are surely not on disk. Own views in them are forgotten: their callers are
        told so. What came from others is kept, to be written with the next changes."""
        self._counting = {}
        self._unwritten(changes)

    def _own_rows(self, slot: Slot) -> ColumnChange:
        column = self.columns[slot]
        pending = self._counting = self._pending
        self._pending = {}
        rows = tuple(
            Row(video, min(column.count(video) + views, MAX_COUNT), seq)
            for seq, (video, views) in enumerate(pending.items(), column.upto + 1)
        )
        return ColumnChange(slot, rows[-1].seq, rows)

    # -- what others have ------------------------------------------------------------------

    def unshared(self) -> int:
        """How many changes here are on no disk of a process that stays. 0: all is handed over."""
        staying = [peer for peer in self.peers if peer.slot and not self.is_closed(peer.slot)]
        # What a slot's owner has pushed since its last digest is on its disk, of course.
        theirs = {peer.slot for peer in staying}
        rows = sum(
            max(0, column.upto - max((peer.claim(slot) for peer in staying), default=0))
            for slot, column in self.columns.items()
            if slot not in theirs
        )
        rows += not self._base_shared(staying)
        if not self._leaving or self.node not in self.closed:
            return rows
        # Somebody must know that we have left, too.
        left = Slot(self.node, self.closed[self.node])
        told = (peer.digest and generations.covers(peer.digest.closed, left) for peer in staying)
        return rows + (not any(told))

    # -- talking ---------------------------------------------------------------------------

    def tick(self, now: float) -> list[Send]:
        """Time has passed."""
        self._now = now
        if self._begun is None:
            self._begun = now
        self._look_after_slot()
        if now < self._next_digest:
            return []
        self._next_digest = now + HEARTBEAT_S
        self._look_around()
        return [Send(None, self.digest())] if self.peers.by_process else []

    # -- the life of our slot --------------------------------------------------------------

    def superseded(self) -> str | None:
        """Why this process may not count any longer under its name; None while it may."""
        return self._superseded

    def leave(self) -> None:
        """Close our slot for good: this process has written its last view, and will end."""
        self._leaving = True
        if self.node in self.heard:
            self._close(Slot(self.node, self.heard[self.node]))

    def may_retire(self, node: str) -> None:
        """Raises `Refused` where it can't be meant that `node` is retired."""
        if node == self.node:
            raise Refused("living", f"{node} is the very node that you ask: let it leave instead")
        if any(alive.node == node for alive in self.peers.alive().values()):
            raise Refused("living", f"{node} is alive: let it leave instead")
        if node not in self.heard:
            raise Refused("unknown", f"nobody has ever heard of a node called {node}")

    def retire(self, node: str) -> None:
        """Close all slots of a node that won't come back. Again, it changes nothing.

        Raises `Refused`.
        """
        self.may_retire(node)
        self._retire(node, "an operator retires it")

    def _retire(self, node: str, why: str) -> None:
        slot = Slot(node, self.heard[node])
        if not self.is_closed(slot):
            self._notice("retired", f"{why}: {slot} and all before it count no more")
            self._close(slot)

    def _close(self, slot: Slot) -> None:
        self._join({}, {slot.node: slot.generation}, {})
        self._next_digest = self._now

    def _look_after_slot(self) -> None:
        """Open the slot when it is time; open another when it was closed under us, or end."""
        if self.slot is None:
            if self._leaving:
                return
            if self._begun is not None and self._now >= self._begun + ALONE_S:
                self._open_slot()
            return
        if self.counting or self._leaving or self._superseded:
            self._newer_since = None
            return
        generation = self.slot.generation
        rivals = [alive for alive in self.peers.alive().values() if alive.node == self.node]
        newer = max((alive.generation or 0 for alive in rivals), default=0)
        if newer > generation:
            self._superseded = (
                f"a newer process of this name is alive and counts in {self.node}@{newer}; "
                f"this one, of {self.slot}, takes no more views"
            )
            self._notice("superseded", self._superseded)
            return
        if self.heard[self.node] > generation:
            if self._newer_since is None:
                self._newer_since = self._now
            if self._now - self._newer_since < self._patience_s:
                return
            self._patience_s = min(2 * self._patience_s, MAX_PATIENCE_S)
        self._reopen(f"{self.slot} has been closed, and no newer process of this name is alive")

    def _open_slot(self) -> None:
        """From now on this process counts in a slot that nobody has ever written."""
        heard = self.heard.get(self.node, 0)
        self.slot = Slot(self.node, new_generation(self._started_ms, self._chance, heard))
        self._hear(self.slot)
        self._column(self.slot)
        # Everything that this name counted before will count no more.
        self._join({}, {self.node: self.slot.generation - 1}, {})
        self._newer_since = None
        self._notice("opened", f"counting in {self.slot}")

    def _disown(self, why: str) -> None:
        """Our slot isn't ours alone any more (it was closed, a disk was set back under us, a
        generation was met twice): go on in a new one. The old one merges as any other's."""
        assert self.slot is not None
        if self._leaving or self._superseded or self.heard[self.node] > self.slot.generation:
            return  # `_look_after_slot` knows better.
        self._reopen(why)

    def _reopen(self, why: str) -> None:
        self._open_slot()
        self._notice("reopened", f"{why}: this process goes on in {self.slot}")

    # -- the others, and forgetting them ---------------------------------------------------

    def members(self) -> list[Member]:
        """Who counts, as far as is known here; this process first."""
        here = [Member(self.node, self.me.process, "here", 0, self.slot, self.me.url)]
        alive = [
            Member(
                one.node,
                process,
                "connected" if process in self.peers.by_process else "heard",
                0,
                None if one.generation is None else Slot(one.node, one.generation),
                one.url or None,
            )
            for process, one in self.peers.alive().items()
        ]
        missing = [
            Member(node, None, "missing", unheard_s, Slot(node, self.heard[node]), None)
            for node, unheard_s in folding.missing(self._view()).items()
        ]
        return here + sorted(alive + missing, key=lambda one: (one.node, one.process or ""))

    def gone(self, node: str) -> bool:
        """Whether `node` has left or was retired, and has not come back since."""
        return self.closed.get(node, -1) >= self.heard.get(node, 0)

    def folds(self) -> list[Fold]:
        """The closed slots that are not folded yet, by name, and what is in the way."""
        return list(folding.folds(self._view()))

    def closed_s(self) -> dict[Slot, float]:
        """For how many seconds each closed slot that is here has been known to be closed."""
        return {slot: self._now - since for slot, since in self._closed_since.items()}

    def _view(self) -> folding.View:
        begun = self._now if self._begun is None else self._begun
        return folding.View(
            slot=self.slot,
            extents=self._extents(),
            heard=self.heard,
            closed=self.closed,
            peers=self.peers,
            unheard_s={n: self._now - self._last_heard.get(n, begun) for n in self.heard},
            closed_s=self.closed_s(),
            grace_s=self.grace_s,
            unmet=self.unmet,
        )

    def _look_around(self) -> None:
        """Once a heartbeat: who is missing, and what can be folded?"""
        for alive in self.peers.alive().values():
            self._last_heard[alive.node] = self._now
        for slot in self.columns:
            if self.is_closed(slot):
                self._closed_since.setdefault(slot, self._now)
        if not self.counting:
            return
        self._retire_the_missing()
        for fold in self.folds() if self._closed_since else ():
            for obstacle in fold.obstacles:
                if obstacle.kind == "missing":
                    self._remind(obstacle.node, obstacle.amount)
            if not fold.obstacles:
                views = sum(self.columns[slot].views for slot in fold.slots)
                self._join({}, {}, {fold.node: fold.generation})
                text = f"slots of {fold.node} up to {fold.node}@{fold.generation}"
                self._notice("folded", f"{text}, with {views} views, are folded into the base")

    def _retire_the_missing(self) -> None:
        """What `retire_after_s` allows, on the side of a split that has more than half of all."""
        if self._retire_after_s is None:
            return
        members = {node for node, g in self.heard.items() if g > self.closed.get(node, -1)}
        missing = folding.missing(self._view())
        if 2 * len(members - missing.keys()) > len(members):
            for node, unheard_s in missing.items():
                if unheard_s >= self._retire_after_s:
                    self._retire(node, f"{node} has not been heard for {unheard_s:.0f} s")

    def _remind(self, node: str, unheard_s: float) -> None:
        if self._now - self._reminded.get(node, -REMIND_S) >= REMIND_S:
            self._reminded[node] = self._now
            self._notice(
                "missing",
                f"{node} has not been heard for {unheard_s:.0f} s; closed slots can't be folded "
                f"until it is back, or is retired (ratchet retire {node})",
            )

    # -- state -----------------------------------------------------------------------------

    def _join_digest(self, theirs: Digest) -> None:
        own = [slot for slot in self.columns if slot.node == self.node]
        self._join(theirs.heard, theirs.closed, theirs.folded)
        for slot in theirs.slots:
            self._hear(slot)
        counted = theirs.lifted.get(self.node, 0)
        unseen = self.lifted.get(self.node, 0) - counted
        if unseen > 0 and any(slot not in self.columns for slot in own):
            self._notice(
                "unseen",
                f"this node's slots were folded without it: {unseen} of its views nobody else had "
                "seen, and they may be lost",
            )
        # Only after lifting: what is lifted here now is among what they have lifted.
        self._join_lifted(theirs.lifted)
        if self.slot is None and not self._leaving:
            # Contact: what others know of our name is known now, so the generation can be above
            # it, also on an empty disk with the clock set back.
            self._open_slot()

    def _hear(self, slot: Slot) -> None:
        if slot.generation > self.heard.get(slot.node, -1):
            # A sign of life, whoever passed it on. (A process that nobody near us is connected to,
            # and that is taken for dead and retired, opens a new slot; without this it would be
            # retired again as soon as we heard of that one.)
            self._last_heard[slot.node] = self._now
        super()._hear(slot)

    def _say(self, slot: Slot, upto: int) -> None:
        if upto > self.most_heard(slot):
            self._last_heard[slot.node] = self._now
        super()._say(slot, upto)

    def _lift(self, slot: Slot) -> None:
        super()._lift(slot)
        self._closed_since.pop(slot, None)

    def _notice(self, kind: Kind, text: str) -> None:
        self.notices.append(Notice(kind, text))
