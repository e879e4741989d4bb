"""Tenure: the life of the slot in which this process counts.

             met, alone                 lost                    outlived
    WAITING ------------> OPEN <------------------> RIVALLED ------------> SUPERSEDED
       |                 |    ^ taken,  unrivalled      |
       |           leave |    +--+ midnight             |
       +---------------> LEFT <-------------------------+

- WAITING: no slot yet. Views wait. The slot opens at the first contact with a peer, so that its
  generation is above all that any peer knows of this name, also on an empty disk with the clock
  set back; or after `ALONE_S` without a peer. If a peer claims what can't be true, our own clock
  may be the wrong one. Then a process on an empty disk goes on waiting: its slot might be below
  one that was folded long ago, and its views would be lost.
- OPEN: the slot is ours, and views count. If somebody else holds it higher than we do (*taken*:
  the disk was set back under us, or two starts drew one generation), we go on in a new slot. So we
  do at *midnight*, so that a slot has views of one day: see `days`.
- RIVALLED: our slot was closed, or we received a newer generation of our name (*lost*). Views wait.
  If a newer process of our name is alive, it has *outlived* us. If none is, we go on in a new slot
  (*unrivalled*).
- SUPERSEDED: a newer process of this name counts. This one hands over, and ends.
- LEFT: this process has closed its slot for good, and ends.

No count ever moves from one slot to another: a browser may have seen it where it is. The old slot's
rows go on merging like those of any other slot.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final

from ratchet.days import day_at
from ratchet.generations import NOTHING
from ratchet.journal import Journal
from ratchet.notices import Notices
from ratchet.peers import Peers
from ratchet.slot import Slot, new_generation
from ratchet.start import Start
from ratchet.table import Table

# How long a process waits to hear from a peer before it opens its slot alone.
ALONE_S: Final = 2.0
# How long a rivalled process waits to hear that its rival is alive: a heartbeat of the rival to a
# peer, one of that peer to us, and one to spare.
RIVAL_S: Final = 3.0
# How long a process that knows no slot of its name waits for a peer that it can believe, after it
# has received from a peer what can't be true: the peer sends that again within seconds.
DOUBT_S: Final = 10.0
# It waits twice as long each time. Two processes of one name that hear of each other over several
# nodes, and so never hear each other alive, would open slots in turns.
MAX_PATIENCE_S: Final = 300.0


class State(Enum):
    """Where in its life the slot is. The module's docstring has the picture."""

    WAITING = auto()
    OPEN = auto()
    RIVALLED = auto()
    SUPERSEDED = auto()
    LEFT = auto()


class Event(Enum):
    """What moves a slot from one state to the next."""

    MET = auto()
    ALONE = auto()
    TAKEN = auto()
    MIDNIGHT = auto()
    LOST = auto()
    UNRIVALLED = auto()
    OUTLIVED = auto()
    LEAVE = auto()


# An event that a state does not list changes nothing.
TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    State.WAITING: {
        Event.MET: State.OPEN,
        Event.ALONE: State.OPEN,
        Event.LEAVE: State.LEFT,
    },
    State.OPEN: {
        Event.TAKEN: State.OPEN,
        Event.MIDNIGHT: State.OPEN,
        Event.LOST: State.RIVALLED,
        Event.LEAVE: State.LEFT,
    },
    State.RIVALLED: {
        Event.UNRIVALLED: State.OPEN,
        Event.OUTLIVED: State.SUPERSEDED,
        Event.LEAVE: State.LEFT,
    },
    State.SUPERSEDED: {},
    State.LEFT: {},
}


class Tenure:
    """Opens our slot, notices when it is lost, and closes it."""

    def __init__(
        self,
        table: Table,
        journal: Journal,
        peers: Peers,
        notices: Notices,
        node: str,
        start: Start,
        chance: Callable[[int], int],
        *,
        daily: bool,
    ) -> None:
        """`node`: our name. `start`: when this process started. `chance`: see
        `slot.new_generation`. `daily`: whether each day has a slot of its own."""
        self.state = State.WAITING
        # Why this process may not count any longer under its name.
        self.superseded: str | None = None
        # Whether nobody knew our name to count when our first slot was opened; None before that.
        self.is_new: bool | None = None
        # Whether our name had gone before that.
        self.is_back = False
        self._table = table
        self._journal = journal
        self._peers = peers
        self._notices = notices
        self._node = node
        self._start = start
        self._chance = chance
        self._daily = daily
        # Set at the first tick: reading a large store back may take longer than `ALONE_S`.
        self._begun: float | None = None
        # The time of the last tick.
        self._now = start.now
        self._rivalled_since: float | None = None
        self._patience_s = RIVAL_S
        # Until when our clock is in doubt.
        self._doubted_until = 0.0

    @property
    def writable(self) -> Slot | None:
        """The slot that views count in now. None: they wait, or are refused."""
        return self._table.own if self.state is State.OPEN else None

    def in_doubt(self, now: float) -> bool:
        """Whether views can't count because our clock, or that of a peer, is wrong."""
        # Look at the state first: this is asked for every view.
        if self.state is not State.WAITING or now >= self._doubted_until:
            return False
        # If we know a slot of our name, ours will be above it.
        newest = self._table.newest
        return newest[self._node] <= newest.placeholder

    @property
    def left(self) -> Slot | None:
        """The newest slot of our name, once we have closed it for good."""
        closed = self._table.closed
        if self.state is State.LEFT and closed[self._node] > closed.floor:
            return Slot(self._node, closed[self._node])
        return None

    # -- events --------------------------------------------------------------------------------

    def met(self) -> None:
        """A peer has said what it knows of our name, and the table has joined it."""
        if self._move(Event.MET):
            self._open(self._start.now)

    def doubt(self, now: float) -> None:
        """A peer has claimed what can't be true, unless our clock is wrong."""
        self._doubted_until = now + DOUBT_S

    def taken(self, by: str) -> None:
        """The node `by` holds our slot higher than we do."""
        lost = self._table.own
        if self._move(Event.TAKEN):
            self._reopen(f"{by} holds more of {lost} than this process, its owner, has counted")

    def leave(self) -> None:
        """This process has counted its last view, and will end for good: close the slot."""
        newest = self._table.newest[self._node]
        if self._peers.by_process:
            # They know our name, perhaps no slot of it.
            newest = max(newest, self._table.newest.placeholder)
        if self._move(Event.LEAVE) and newest > NOTHING:
            self._journal.join(closed={self._node: newest})

    def check(self) -> None:
        """The maps have changed: is the slot still ours?"""
        if self.state is State.OPEN and (self._newer_known() or self._closed()):
            self._move(Event.LOST)

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self._begun is None:
            self._begun = now
        self._now = now
        if self.state is State.WAITING and now >= self._begun + ALONE_S:
            if not self.in_doubt(now):
                self._move(Event.ALONE)
                self._open(self._start.now)
        elif self.state is State.RIVALLED:
            self._face_the_rival(now)
        elif self._is_over() and self._move(Event.MIDNIGHT):
            self._open(self._now)

    def _face_the_rival(self, now: float) -> None:
        """A newer process that is alive supersedes us. One that only *was* there supersedes
        nobody, but give it time to show itself."""
        own = self._table.own
        newest = self._newest_alive()
        if own and newest > own.generation:
            self._move(Event.OUTLIVED)
            self.superseded = (
                f"a newer process of this name is alive and counts in {self._node}@{newest}; "
                f"this one, of {own}, takes no more views"
            )
            self._notices.add("superseded", self._node, self.superseded)
            return
        if self._newer_known():
            if self._rivalled_since is None:
                self._rivalled_since = now
            if now - self._rivalled_since < self._patience_s:
                return
            self._patience_s = min(2 * self._patience_s, MAX_PATIENCE_S)
        self._move(Event.UNRIVALLED)
        self._reopen(f"{own} has been closed, and no newer process of this name is alive")

    # -- the slot ------------------------------------------------------------------------------

    def _move(self, event: Event) -> bool:
        following = TRANSITIONS[self.state].get(event)
        if following is None:
            return False
        self.state = following
        return True

    def _is_over(self) -> bool:
        """Whether our slot is of an earlier day."""
        own, today = self._table.own, day_at(self._start.time_us(self._now))
        return self._daily and own is not None and day_at(own.generation) < today

    def _open(self, at: float) -> Slot:
        """Count from now on in a slot that nobody has ever written. Its generation is the time
        at `at`."""
        table, node = self._table, self._node
        newest = max(table.newest[node], table.newest.placeholder)
        if self.is_new is None:
            known = Slot(node, table.newest[node])
            unknown = known.generation <= table.newest.placeholder
            self.is_back = not unknown and table.is_closed(known)
            self.is_new = unknown or self.is_back
        opened_ms = self._start.time_us(at) // 1000
        slot = Slot(node, new_generation(opened_ms, self._chance, newest))
        # All that this name counted before counts no more: those processes are gone.
        self._journal.join({node: slot.generation}, closed={node: slot.generation - 1})
        table.column(slot)
        table.own = slot
        self._rivalled_since = None
        self._notices.add("opened", node, f"counting in {slot}")
        return slot

    def _reopen(self, why: str) -> None:
        # Its generation is the time now, and not our start: names that started long ago may have
        # been forgotten, and this slot must be above their floor even where nobody knows it yet.
        slot = self._open(self._now)
        self._notices.add("reopened", self._node, f"{why}: this process goes on in {slot}")

    def _closed(self) -> bool:
        return self._table.own is not None and self._table.is_closed(self._table.own)

    def _newer_known(self) -> bool:
        """Whether we know a newer generation of our name."""
        own = self._table.own
        return own is not None and self._table.newest[self._node] > own.generation

    def _newest_alive(self) -> int:
        """The highest generation of our name that counts and is alive, 0 for none."""
        alive = self._peers.alive().values()
        return max((one.generation or 0 for one in alive if one.node == self._node), default=0)
