"""A replica that counts: the state machine that a node drives. No IO, no clock, no chance.

The driver (the server's keeper, the simulator) owes the replica this:

- `now` is in seconds, on a clock that never goes back. Call `tick` several times a second.
- Pass frames from a connection to `receive`. Send every `Send` that a method returns, or lose it.
- Write `changes()` **in one transaction**, then call `committed(changes)`; or `aborted(changes)` if
  it was surely not written. One transaction at a time, and nothing else may be written.
- Once `tenure.superseded` says why, hand over what is `unshared`, and end the process.

Three promises follow, to every caller:

- **Durable before visible.** Our own views enter the table, and go to peers, in `committed`: nobody
  ever sees a view that a crash can take back.
- **A digest claims only what is on disk.** So nobody believes that rows are safe here which a crash
  of this process could lose.
- Nobody else writes our slot, and we write no other slot but by merging.

Here the parts are put together, and each call is routed to the part that owns it.
"""

from collections.abc import Callable
from typing import Final

from ratchet.changes import Changes
from ratchet.cluster import Cluster
from ratchet.frames import MAX_ROWS, Digest, Frame, Hello, Rows, Send
from ratchet.holdings import Holdings
from ratchet.journal import MAX_LIFTED, Journal
from ratchet.members import Members
from ratchet.notices import Notices
from ratchet.observation import Observation, observe
from ratchet.peers import Peers
from ratchet.table import Table
from ratchet.talk import MAX_SLOTS, Talk
from ratchet.tenure import Tenure

# How often a replica sends its digest: what was lost is noticed within a second.
HEARTBEAT_S: Final = 1.0


class Replica:
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
        max_rows: int = MAX_ROWS,
        max_slots: int = MAX_SLOTS,
        max_lifted: int = MAX_LIFTED,
    ) -> None:
        """An empty replica. `started_ms` and `chance`: see `slot.new_generation`.

        `grace_s`: how long a slot is closed before it may be folded. `retire_after_s`: a member
        that is missing for so long is retired; None: never. At most `max_rows` in a frame,
        `max_slots` in a digest, `max_lifted` rows lifted in one transaction.
        """
        self.me = me
        self.table = table = Table()
        self.peers = peers = Peers(me.process)
        self.notices = notices = Notices()
        self.holdings = Holdings(table, peers, me.node)
        self.members = Members(table, peers, me, grace_s, retire_after_s)
        self.journal = journal = Journal(table, max_lifted)
        self._talk = talk = Talk(table, journal, peers, me.process, max_rows, max_slots)
        self.cluster = Cluster(table, journal, peers, talk, self.members, notices, me.node, grace_s)
        self.tenure = Tenure(table, journal, peers, notices, me.node, started_ms, chance)
        self._now = self._next_heartbeat = now
        # Whether peers confirm when they have the rows that are being written now.
        self._confirm = False

    # -- reading -------------------------------------------------------------------------------

    def digest(self) -> Digest:
        """What this replica has on disk, and what it knows of the cluster."""
        return self._talk.digest(self._now)

    def observe(self) -> Observation:
        """The whole cluster as this replica sees it now."""
        cluster, now = self.cluster, self._now
        folds, state = cluster.folds(now), self.tenure.state
        return observe(self.table, self.members, self.holdings, folds, cluster.grace_s, state, now)

    def caught_up(self) -> bool:
        """Whether we have everything that any peer had when it first spoke."""
        return self._talk.caught_up()

    # -- counting and writing ------------------------------------------------------------------

    @property
    def counting(self) -> bool:
        """Whether views can be written now. Until then they wait, or are refused."""
        return self.tenure.writable is not None

    def count(self, video: str, views: int = 1, *, answered: bool = False) -> None:
        """Count `views`. They become visible when the changes that hold them are committed.

        `answered`: the caller has its answer already. So the views stay even if these changes are
        aborted, and `shown` includes them at once.
        """
        self.journal.count(video, views, answered=answered)

    def restore(self, stored: Changes) -> None:
        """Take in a part of what a store holds. Call it first, as often as there are parts."""
        self.table.restore(stored)

    def changes(self, *, confirm: bool = False) -> Changes | None:
        """What is to be written now; None when there is nothing. With `confirm`, peers say at once
        when they have it on disk, too (see `Holdings.shared`)."""
        self._confirm = confirm
        return self.journal.begin(self.tenure.writable)

    def committed(self, changes: Changes) -> list[Send]:
        """`changes` are on disk: claim them, show and push our own, ask for what follows."""
        own = self.journal.written(changes)
        sends = []
        if own and own.slot in self.table.columns:
            sends += self._talk.push(own, confirm=self._confirm)
        for change in changes.columns:
            sends += self._talk.saved(change.slot)
        return sends

    def aborted(self, changes: Changes) -> None:
        """`changes` are surely not on disk. Our views in them are forgotten, but for the answered
        ones. What came from others is written with the next changes."""
        self.journal.unwritten(changes)

    # -- talking, and time -----------------------------------------------------------------------

    def joined(self, hello: Hello) -> list[Send]:
        """A connection to another process is up."""
        self.cluster.meet(hello, self._now)
        return self._talk.joined(hello, self._now)

    def left(self, process: str) -> None:
        """The last connection to a process is down."""
        self._talk.left(process)

    def receive(self, frame: Frame, process: str, now: float) -> list[Send]:
        """A frame came from a connected peer: call `joined` first. What to answer."""
        self._now = now
        self.cluster.learn(frame, now)
        self.tenure.check()
        if isinstance(frame, Digest):
            self.tenure.met()
        if self._talk.trespass(frame):
            # Before the rest: in a new slot, we ask for what others have of the old one.
            self.tenure.taken(by=self.peers.by_process[process].hello.node)
            if isinstance(frame, Rows):
                return []
        return self._talk.receive(frame, process, now)

    def ask_to_confirm(self) -> list[Send]:
        """Ask all peers to say at once what they have on disk of our name's slots."""
        return self._talk.ask_to_confirm(self.holdings.own_seqs())

    def tick(self, now: float, unmet: int = 0) -> list[Send]:
        """Time has passed. `unmet`: at how many addresses, given to this node, nobody was ever
        met."""
        self._now = now
        self.cluster.unmet = unmet
        self.tenure.tick(now)
        if now < self._next_heartbeat:
            return []
        self._next_heartbeat = now + HEARTBEAT_S
        self.cluster.beat(now, counting=self.counting)
        self._talk.prune()
        return [Send(None, self.digest())] if self.peers.by_process else []

    # -- the life of this node, and the end of others ---------------------------------------------

    def unshared(self) -> int:
        """How many changes here are on no disk of a process that stays. 0: all is handed over."""
        return self.holdings.unshared(self.tenure.left)

    def leave(self) -> None:
        """Close our slot for good: this process has written its last view, and will end."""
        self.tenure.leave()
        self._next_heartbeat = self._now

    def retire(self, node: str) -> None:
        """Close all slots of a node that will not come back. Doing it twice changes nothing.

        Raises `Refused`.
        """
        self.cluster.retire(node)
        self._next_heartbeat = self._now
