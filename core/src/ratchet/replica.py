"""A replica that counts: the state machine that a node drives. No IO, no clock, no chance.

The driver (the server's keeper, the simulator) owes the replica this:

- `now` is in seconds, on a clock that never goes back. Call `tick` several times a second.
- Ask `identity.admit` before you call `joined`, and begin each connection with the hello that
  `identity.introduce` returns.
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

Here the parts are put together, and calls that concern several of them are routed. What concerns
one part alone is called there: `retries.fate`, `talk.caught_up`, `cluster.retire`.
"""

from collections.abc import Callable, Iterator

from ratchet.bounds import Bounds, Implausible
from ratchet.changes import Changes
from ratchet.cluster import Cluster
from ratchet.frames import AboutKeys, Digest, Frame, Heartbeat, Hello, Pulse, Rows, Send
from ratchet.holdings import Holdings
from ratchet.identity import Identity
from ratchet.imports import Imports
from ratchet.inquiries import Inquiries
from ratchet.journal import Journal
from ratchet.members import Members
from ratchet.names import MAX_COUNT
from ratchet.notices import Notices
from ratchet.observation import Observation, observe
from ratchet.options import DEFAULTS, Options
from ratchet.peers import Peers
from ratchet.retries import Retries
from ratchet.start import Start
from ratchet.table import Table
from ratchet.talk import Talk
from ratchet.tenure import State, Tenure


class Replica:
    """All counters of one node, its own slot, and the peers that it talks to."""

    def __init__(
        self,
        me: Hello,
        wall_ms: Callable[[], int],
        chance: Callable[[int], int],
        now: float,
        options: Options = DEFAULTS,
    ) -> None:
        """An empty replica. `wall_ms` returns the wall clock's time, in milliseconds since 1970.
        `chance`: see `slot.new_generation`."""
        self.me = me
        self.table = table = Table()
        self.peers = peers = Peers(me.process)
        self.notices = notices = Notices()
        self.holdings = Holdings(table, peers, me.node)
        self.members = members = Members(table, peers, me, options)
        self.journal = journal = Journal(table, options.max_lifted)
        self.talk = talk = Talk(table, journal, peers, me, wall_ms, options)
        start = Start(wall_ms(), now)
        self.cluster = Cluster(
            table, journal, peers, talk, members, notices, me.node, start, options
        )
        self.tenure = Tenure(
            table, journal, peers, notices, me.node, start, chance, daily=options.kept_days > 0
        )
        self.inquiries = inquiries = Inquiries(table, peers, members, me)
        self.retries = Retries(table, peers, self.holdings, inquiries, me, wall_ms)
        self.identity = Identity(table, journal, peers, me, chance, sent=options.sent)
        self.bounds = bounds = Bounds(wall_ms)
        self.imports = Imports(
            table, journal, peers, members, self.cluster, bounds, wall_ms, chance
        )
        self._now = now
        # Whether peers confirm when they have the rows that are being written now.
        self._confirm = False

    def restore(self, part: Changes) -> None:
        """Take a part of what is on disk, when this process starts."""
        self.table.restore(part)
        self.retries.restore(part)

    def everything(self, rows: int) -> Iterator[Changes]:
        """All that is to be on disk, in parts of so many rows."""
        yield from self.table.everything(rows)
        yield Changes(pending=dict(self.retries.pending))

    def digest(self) -> Digest:
        """What this replica has on disk, and what it knows of the cluster."""
        return self.talk.digest(self._now)

    def observe(self) -> Observation:
        """The whole cluster as this replica sees it now."""
        cluster, now = self.cluster, self._now
        folds, state = cluster.folds(now), self.tenure.state
        fill, grace_s = self.talk.fill(), cluster.grace_s
        pending = self.retries.observe()
        return observe(
            self.table, self.members, self.holdings, folds, grace_s, state, pending, fill, now
        )

    @property
    def counting(self) -> bool:
        """Whether views can be written now. Until then they wait, or are refused."""
        return self.tenure.writable is not None

    def count(self, video: str, views: int = 1, *, answered: bool = False) -> None:
        """Count `views` (see `Journal.count`)."""
        self.journal.count(video, views, answered=answered)

    def room(self, video: str) -> int:
        """How many more views of `video` can be counted now: a number has a largest value, and the
        others believe only what a slot can have counted since it was opened (see `bounds`)."""
        waiting = self.journal.waiting(video)
        room = MAX_COUNT - self.table.value(video) - waiting
        if own := self.tenure.writable:
            counted = self.table.column(own).views(video) + waiting
            room = min(room, self.bounds.most_views(own) - counted)
        return room

    def changes(self, *, confirm: bool = False) -> Changes | None:
        """What is to be written now; None when there is nothing. With `confirm`, peers say at once
        when they have it on disk, too (see `Holdings.shared`)."""
        self._confirm = confirm
        if self.counting:
            self.retries.settle(self._count_pending)
        return self.journal.begin(self.tenure.writable, self.retries.begin())

    def committed(self, changes: Changes) -> list[Send]:
        """`changes` are on disk: claim them, show and push our own, ask for what follows."""
        own = self.journal.written(changes)
        sends = []
        if own and own.slot in self.table.columns:
            sends += self.talk.push(own, confirm=self._confirm)
        for change in changes.columns:
            sends += self.talk.saved(change.slot)
        return sends + self.retries.written()

    def aborted(self, changes: Changes) -> None:
        """`changes` are surely not on disk. Our views in them are forgotten, but for the answered
        ones. What came from others is written with the next changes."""
        self.journal.unwritten(changes)
        self.retries.unwritten()

    def joined(self, hello: Hello) -> list[Send]:
        """A connection to another process is up. Ask `identity.admit` first."""
        self.identity.joined(hello)
        if self.identity.stranger(hello.process):
            return []
        self.cluster.meet(hello, self._now)
        sends = self.talk.joined(hello, self._now)
        if not sends:
            self.cluster.hurry()
        return sends

    def left(self, process: str) -> None:
        """The last connection to a process is down."""
        self.talk.left(process)
        self.identity.left(process)

    def receive(self, frame: Frame, process: str, now: float) -> list[Send]:
        """A frame came from a connected peer: call `joined` first. What to answer. If the peer is
        an `identity.stranger` then, end the connection.

        Raises `bounds.Implausible` if the frame claims what can't be true; nothing has changed
        then.
        """
        self._now = now
        try:
            self.bounds.check(frame)
        except Implausible:
            self.tenure.doubt(now)
            raise
        if isinstance(frame, Heartbeat) and not self.peers.is_news(frame.number, process):
            return []
        digest = self.talk.understood(frame) if isinstance(frame, Pulse) else frame
        if isinstance(digest, Digest):
            self.identity.learn(digest, process)
        if self.identity.stranger(process):
            return []
        self.cluster.learn(frame, now)
        if isinstance(frame, Pulse) and isinstance(digest, Digest):
            self.members.agree(frame, digest, now)
        self.tenure.check()
        if isinstance(digest, Digest):
            self.tenure.met()
            if self.counting:
                self.cluster.forget_days(now)
            self.identity.decide(waiting=self._waiting)
        if self.talk.trespass(frame):
            # Before the rest: in a new slot, we ask for what others have of the old one.
            self.tenure.taken(by=self.peers.by_process[process].hello.node)
            if isinstance(frame, Rows):
                return []
        if isinstance(frame, AboutKeys):
            return self.retries.receive(frame, process)
        return self.talk.receive(frame, process, now)

    def ask_to_confirm(self) -> list[Send]:
        """Ask all peers to say at once what they have on disk of our name's slots."""
        return self.talk.ask_to_confirm(self.holdings.own_seqs())

    def tick(self, now: float, unmet: int = 0, unfound: int | None = None) -> list[Send]:
        """Time has passed. `unmet`: at how many addresses, given to this node, nobody was ever
        met. `unfound`: at how many of them no process is that `identity.has_found`; None: there is
        nobody to ask."""
        self._now = now
        own = self.table.own
        self.tenure.tick(now)
        if self.table.own != own:
            # The others hear of the new slot before they get rows of it.
            self.cluster.hurry()
        self.identity.tick(now, unfound, waiting=self._waiting)
        self.retries.tick(now, is_new=self.tenure.is_new, is_back=self.tenure.is_back)
        if not self.cluster.tick(now, unmet, counting=self.counting):
            return []
        if self.tenure.state in {State.LEFT, State.SUPERSEDED}:
            self.retries.leave()
        self.talk.prune()
        return self.talk.heartbeat(now, whole=self.cluster.has_news) + self.retries.beat(unmet)

    def _count_pending(self, video: str, views: int) -> bool:
        if views > self.room(video):
            return False
        self.count(video, views)
        return True

    @property
    def _waiting(self) -> bool:
        return self.tenure.state is State.WAITING

    def unshared(self) -> int:
        """How many changes here are on no disk of a process that stays. 0: all is handed over."""
        return self.holdings.unshared(self.tenure.left) + len(self.retries.pending)

    def farewell(self) -> list[Send]:
        """Tell all that nobody need ask us for keys any more: all is handed over. What we say last
        may get lost with the connection, so wait until `retries.handover.is_known`."""
        if not self.tenure.left:
            return []
        # Who awaits us no more must first know of everybody whom we have met: perhaps one of them
        # has our keys, and nobody else knows it yet.
        sends = self.talk.heartbeat(self._now, whole=True)
        return sends + self.retries.handover.farewell(self.tenure.left)

    def leave(self) -> None:
        """Close our slot for good: this process has written its last view, and will end."""
        self.tenure.leave()
        self.cluster.tell()
