"""The talk between replicas: digests, pushes, questions and answers (anti-entropy).

Every second each replica tells the others what it has (its digest, which may be abbreviated: see
`pulses`), and a replica that is behind asks *one* peer for the rows above its own seq (see
`transfers`). In Scuttlebutt (van Renesse et al., 2008) the replica that is ahead sends them
unasked; then a replica that comes back would get every row from every peer at once. The owner of a
slot pushes its changes to all as it counts. A push that does not fit (a gap before it) is dropped,
and its rows are asked for. Where two replicas claim the same and have not the same (a transfer
broke off, and its sender is gone for ever), each asks the other for everything. Any replica passes
on any slot's rows, so the last rows of a crashed node spread from the replica that has most of
them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ratchet.changes import ColumnChange
from ratchet.frames import (
    NOTHING,
    Ask,
    AskKeys,
    BaseRows,
    DaysExtent,
    Digest,
    Extent,
    Farewell,
    Frame,
    Have,
    Hello,
    Pulse,
    Rows,
    Send,
    TellKeys,
    Want,
    WantBase,
    digest_size,
    entry_size,
)
from ratchet.generations import Generations
from ratchet.journal import Journal
from ratchet.options import Options
from ratchet.peers import Peer, Peers
from ratchet.pulses import Pulses
from ratchet.slot import Slot
from ratchet.table import Table
from ratchet.transfers import Transfers

# How soon we ask a peer again for all of a slot of which it claims as much and has not the same.
DOUBT_AGAIN_S: Final = 5.0
# For how many heartbeats we ask whether peers have our rows. Nobody waits for longer.
CONFIRM_BEATS: Final = 30


class Talk:
    """What this replica sends to its peers, and what it does with their frames."""

    def __init__(
        self,
        table: Table,
        journal: Journal,
        peers: Peers,
        me: Hello,
        wall_ms: Callable[[], int],
        options: Options,
    ) -> None:
        """`me`: this process. `wall_ms`: see `Replica`."""
        self._table = table
        self._journal = journal
        self._peers = peers
        self._max_rows = options.max_rows
        self._max_slots = options.max_slots
        self._max_digest = options.max_digest
        self._transfers = Transfers(me.process)
        self._pulses = Pulses(peers, me, wall_ms, options.max_whole)
        # When we last asked a peer for all of a slot.
        self._doubted: dict[tuple[Slot, str], float] = {}
        # Our rows that peers were asked to confirm: up to which seq of each slot, and for how many
        # heartbeats we repeat that.
        self._to_confirm: dict[Slot, tuple[int, int]] = {}
        # Peers that want a `Have` when what there is of a slot is on disk.
        self._confirm_to: dict[Slot, set[str]] = {}
        # What peers had when they first spoke. To have caught up means to have all of it.
        self._goals: dict[Slot, int] = {}

    # -- what we have --------------------------------------------------------------------------

    @property
    def brief(self) -> bool:
        """Whether we send pulses."""
        return self._pulses.brief

    def understood(self, pulse: Pulse) -> Digest | None:
        """The digest that stands behind `pulse`, but for slots that are left out. None: we don't
        know it."""
        return self._pulses.understand(pulse)

    def digest(self, now: float) -> Digest:
        """What this replica has on disk, and what it knows of the cluster.

        It is never larger than a frame may be: nobody would take it, and nothing would be
        replicated any more.
        """
        digest = self._whole_digest(now)
        return digest if digest.size <= self._max_digest else self._fitting(digest)

    def fill(self) -> float:
        """How much of the largest digest everything fills. Above 1, something is left out."""
        table = self._table
        maps = (table.newest, table.closed, table.folded, table.lifted_views)
        texts = (*table.claimed_ids(), *(() if table.settled else table.whole))
        size = digest_size(maps, table.columns, self._peers.connected(), texts)
        return size / self._max_digest

    def _fitting(self, digest: Digest) -> Digest:
        """`digest` without names that have gone, those first that started last the longest ago.

        So whatever still goes on comes through: rows, closings, folds, and who is a member. But a
        node that was away doesn't learn of the oldest folds; and where `folded` is cut, bases
        can't be compared, so a node that is new doesn't get the base.
        """
        table = self._table
        held = {slot.node for slot in table.columns}
        gone = [
            node
            for node in digest.newest.names()
            # Without an entry a name is at the floor, so one that is below must be listed.
            if table.is_gone(node) and node not in held and table.folded[node] >= table.folded.floor
        ]
        gone.sort(key=lambda node: (digest.newest[node], node))
        maps = (digest.newest, digest.closed, digest.folded, digest.lifted_views)
        over = digest.size - self._max_digest
        left_out = set()
        for node in gone:
            if over <= 0:
                break
            left_out.add(node)
            over -= entry_size(node) * sum(node in each for each in maps)
        newest, closed, folded, lifted_views = (
            {node: n for node, n in each.items() if node not in left_out} for each in maps
        )
        return replace(
            digest,
            newest=Generations(newest),
            closed=Generations(closed),
            folded=Generations(folded),
            lifted_views=lifted_views,
        )

    def _whole_digest(self, now: float) -> Digest:
        table, slots = self._table, self.extents(now)
        if len(slots) > self._max_slots:
            # Every node leaves out the same slots: those it names can be agreed on, and folded.
            named = {*sorted(slots)[: self._max_slots], table.own}
            slots = {slot: extent for slot, extent in slots.items() if slot in named}
        settled = self._journal.is_base_settled()
        return Digest(
            slot=table.own,
            slots=slots,
            newest=Generations(table.newest),
            closed=Generations(table.closed),
            folded=Generations(table.folded),
            lifted_views=dict(table.lifted_views),
            base_fingerprint=table.base.fingerprint if settled else None,
            alive=self._peers.connected(),
            cluster=table.claimed_ids(),
            settled=table.settled_on_disk,
            whole=() if table.settled else tuple(sorted(table.whole)),
            days=DaysExtent(table.days.first, table.days.fingerprint if settled else None),
        )

    def extents(self, now: float) -> dict[Slot, Extent]:
        """How much of each slot is on disk."""
        return {slot: self._extent(slot, now) for slot in self._table.columns}

    def caught_up(self) -> bool:
        """Whether we have everything that any peer had when it first spoke, gone since or not."""
        if any(self._table.lacks(slot, seq) for slot, seq in self._goals.items()):
            return False
        return all(peer.digest and not peer.base_due for peer in self._peers)

    # -- sending -------------------------------------------------------------------------------

    def heartbeat(self, now: float, *, whole: bool) -> list[Send]:
        """What all peers hear once a heartbeat, and our questions. `whole`: there is news of the
        cluster in it, so that it must be understood at once."""
        if not self._peers.by_process:
            return []
        sends = [Send(None, self._pulses.beat(self.digest(now), whole=whole))]
        sends += self._solve(now)
        sends += self._pulses.questions(waiting=self._transfers.are_late(now))
        self._to_confirm = {
            slot: (seq, beats - 1)
            for slot, (seq, beats) in self._to_confirm.items()
            if beats and all(peer.durable(slot) < seq for peer in self._peers)
        }
        # No digest says what they have of it, so a confirmation that was lost must come again.
        seqs = {slot: seq for slot, (seq, _) in self._to_confirm.items()}
        return sends + (self._asks_to_confirm(seqs) if self._pulses.brief else [])

    def joined(self, hello: Hello, now: float) -> list[Send]:
        """A connection to another process is up. If nothing is to be sent to it, a heartbeat is
        due."""
        self._peers.by_process[hello.process] = Peer(hello)
        if self._pulses.brief:
            return []  # One heartbeat for all that join at once.
        return [Send(hello.process, self._pulses.say(self.digest(now)))]

    def left(self, process: str) -> None:
        """The last connection to a process is down."""
        self._peers.by_process.pop(process, None)
        self._transfers.left(process)
        self._doubted = {doubt: at for doubt, at in self._doubted.items() if doubt[1] != process}

    def push(self, own: ColumnChange, *, confirm: bool) -> list[Send]:
        """Send our new rows to all. `confirm`: peers answer when they have them on disk."""
        if not self._peers.by_process:
            return []
        sends = []
        if confirm:
            self._to_confirm[own.slot] = own.rows[-1].seq, CONFIRM_BEATS
        # Don't take the column's `complete` for the start: if we have given up this slot since, a
        # peer may have sent us these very rows, from a copy of our disk.
        start = own.rows[0].seq - 1
        for at in range(0, len(own.rows), self._max_rows):
            # No row is replaced within one commit, so each chunk is complete by itself.
            chunk = own.rows[at : at + self._max_rows]
            frame = Rows(own.slot, start, chunk[-1].seq, False, chunk, confirm)
            sends.append(Send(None, frame))
            start = chunk[-1].seq
        return sends

    def ask_to_confirm(self, seqs: dict[Slot, int]) -> list[Send]:
        """Ask all peers to say at once what they have on disk of these slots."""
        self._to_confirm |= {slot: (seq, CONFIRM_BEATS) for slot, seq in seqs.items()}
        return self._asks_to_confirm(seqs)

    def _asks_to_confirm(self, seqs: dict[Slot, int]) -> list[Send]:
        asks = [
            Rows(slot, seq, seq, more=False, rows=(), confirm=True) for slot, seq in seqs.items()
        ]
        return [Send(None, ask) for ask in asks]

    def saved(self, slot: Slot) -> list[Send]:
        """Rows of `slot` are on disk: go on with a transfer that waits for that, and confirm."""
        if slot not in self._table.columns:
            return []
        following = self._transfers.saved(slot)
        return ([Send(*following)] if following else []) + self._confirm(slot)

    def prune(self) -> None:
        """Forget the questions about folded slots: nobody needs their rows any more."""
        folded = self._table.is_folded
        self._transfers.drop(folded)
        self._confirm_to = {s: to for s, to in self._confirm_to.items() if not folded(s)}
        self._goals = {s: seq for s, seq in self._goals.items() if not folded(s)}
        self._to_confirm = {s: it for s, it in self._to_confirm.items() if not folded(s)}
        self._doubted = {doubt: at for doubt, at in self._doubted.items() if not folded(doubt[0])}
        for peer in self._peers:
            peer.confirmed = {s: seq for s, seq in peer.confirmed.items() if not folded(s)}

    # -- receiving -----------------------------------------------------------------------------

    def trespass(self, frame: Frame) -> bool:
        """Whether `frame` shows that somebody else holds our own slot higher than we do."""
        own = self._table.own
        if own is None:
            return False
        match frame:
            case Digest():
                return self._table.lacks(own, frame.slots.get(own, NOTHING).durable) > 0
            case Pulse():
                return frame.slot == own and self._table.lacks(own, frame.extent.durable) > 0
            case Rows():
                last = frame.rows[-1].seq if frame.rows else 0
                return frame.slot == own and self._table.lacks(own, last) > 0
        return False

    def receive(self, frame: Frame, process: str, now: float) -> list[Send]:
        """A frame came from a connected peer. What to answer.

        What the frame says of the cluster must be known already: join its maps first.
        """
        match frame:
            case Digest():
                return self._hear(frame, process, now)
            case Pulse():
                return self._hear_pulse(frame, process, now)
            case Ask():
                return self._answer_ask(process, now)
            case Rows():
                return self._merge_rows(frame, process, now)
            case Want():
                return self._answer(frame, process)
            case Have(slot, durable):
                if slot in self._table.columns:
                    confirmed = self._peers.by_process[process].confirmed
                    confirmed[slot] = max(durable, confirmed.get(slot, 0))
                return []
            case WantBase():
                return self._answer_base(frame, process)
            case BaseRows():
                return self._merge_base(frame, process, now)
            case Hello():  # A second one says nothing new.
                return []
            case AskKeys() | TellKeys() | Farewell():  # `retries` takes these.
                return []

    def _hear(self, theirs: Digest, process: str, now: float) -> list[Send]:
        """A peer has sent its whole digest."""
        peer = self._peers.by_process[process]
        peer.slot, peer.lacks, peer.whole, peer.days = theirs.slot, 0, True, theirs.days
        peer.own = theirs.slots.get(theirs.slot, NOTHING) if theirs.slot else NOTHING
        if theirs.number:
            self._pulses.learn(theirs, peer)
            # Its next pulse doesn't repeat what it has of open slots.
            peer.confirmed |= {
                slot: max(extent.durable, peer.confirmed.get(slot, 0))
                for slot, extent in theirs.slots.items()
            }
        return self._compare(theirs, process, now, now) + self._solve(now)

    def _hear_pulse(self, pulse: Pulse, process: str, now: float) -> list[Send]:
        peer = self._peers.by_process[process]
        peer.slot, peer.own, peer.lacks = pulse.slot, pulse.extent, pulse.lacks
        peer.rest, peer.whole, peer.days = pulse.rest, False, pulse.days
        theirs = self._pulses.understand(pulse)
        if theirs:
            return self._compare(theirs, process, now, now) + self._object(pulse, process, now)
        peer.riddle, peer.riddle_at = pulse, now
        # If it is new here, don't wait until the next heartbeat.
        return [] if peer.digest else self._pulses.ask(process, pulse.rest)

    def _solve(self, now: float) -> list[Send]:
        """We know another rest: whose pulses do we understand now?"""
        sends = []
        for process, peer in self._peers.by_process.items():
            if peer.riddle and (theirs := self._pulses.understand(peer.riddle)):
                sends += self._compare(theirs, process, peer.riddle_at, now)
        return sends

    def _object(self, pulse: Pulse, process: str, now: float) -> list[Send]:
        """If we have more of a slot than its owner, tell it: no pulse of ours would."""
        slot = pulse.slot
        if slot is None or self._extent(slot, now).durable <= pulse.extent.durable:
            return []
        return self._answer_ask(process, now) if self._is_due(slot, process, now) else []

    def _answer_ask(self, process: str, now: float) -> list[Send]:
        if not self._pulses.answers():
            return []
        return [Send(process, self._pulses.say(self.digest(now), whole=True))]

    def _compare(self, theirs: Digest, process: str, said_at: float, now: float) -> list[Send]:
        """Ask for what the peer has and we lack. `theirs`: what it said at `said_at`."""
        table, peer = self._table, self._peers.by_process[process]
        extents = {**theirs.slots, peer.slot: peer.own} if peer.slot else theirs.slots
        if peer.digest is None:
            for slot, extent in extents.items():
                self._goals[slot] = max(extent.durable, self._goals.get(slot, 0))
        peer.digest, peer.digest_at, peer.riddle = theirs, said_at, None
        sends = []
        for slot, extent in extents.items():
            sends += self._want(slot, extent.durable, process, now)
            sends += self._doubt(slot, extent, process, now)
        # Bases can be compared only where the same slots have been folded into them. A peer that
        # has folded less will have lifted, too, when it speaks again.
        has_base = peer.has_base(table.base, table.days, table.folded)
        peer.base_due = table.lifting != {} or not has_base
        settled = theirs.base_fingerprint is not None and not table.lifting
        if peer.base_due and settled and theirs.folded == table.folded:
            sends += self._ask_for_base(theirs, process, now)
        return sends

    def _ask_for_base(self, theirs: Digest, process: str, now: float) -> list[Send]:
        days, peer = self._table.days, self._peers.by_process[process]
        if theirs.base_fingerprint != self._table.base.fingerprint:
            ask = self._transfers.ask_for_base(process, now, None)
        elif peer.days.first == days.first and peer.days.fingerprint is not None:
            # Only its days differ.
            ask = self._transfers.ask_for_base(process, now, days.first)
        else:
            # One of us will forget the days that the other has forgotten.
            ask = None
        return [Send(process, ask)] if ask else []

    def _want(self, slot: Slot, seq: int, process: str, now: float) -> list[Send]:
        """Ask for the missing rows of `slot` up to `seq`."""
        if slot == self._table.own or not self._table.lacks(slot, seq):
            return []
        return self._ask(slot, self._table.complete(slot), process, now)

    def _doubt(self, slot: Slot, theirs: Extent, process: str, now: float) -> list[Send]:
        """If the peer claims as much as we do and has not the same, ask for everything."""
        table = self._table
        if slot == table.own or theirs.fingerprint is None or table.is_folded(slot):
            return []
        ours = self._extent(slot, now)
        if ours.fingerprint is None or ours.durable != theirs.durable or ours == theirs:
            return []
        # Not at each of its digests: a replica that always fetches never says what it has, and the
        # other, which may lack something itself, never doubts.
        return self._ask(slot, 0, process, now) if self._is_due(slot, process, now) else []

    def _is_due(self, slot: Slot, process: str, now: float) -> bool:
        """Whether to tell a peer of our doubts about a slot, for the first time or again."""
        last = self._doubted.get((slot, process))
        if last is not None and now - last < DOUBT_AGAIN_S:
            return False
        self._doubted[slot, process] = now
        return True

    def _ask(self, slot: Slot, above: int, process: str, now: float) -> list[Send]:
        ask = self._transfers.ask(slot, above, process, now, self._peers.by_process)
        return [Send(process, ask)] if ask else []

    def _answer(self, want: Want, process: str) -> list[Send]:
        column = self._table.columns.get(want.slot)
        if column is None:
            return []
        rows, more = column.above(want.above, self._max_rows)
        answer = Rows(
            want.slot, want.above, column.complete, more, tuple(rows), answers=want.number
        )
        return [Send(process, answer)]

    def _merge_rows(self, frame: Rows, process: str, now: float) -> list[Send]:
        table, slot = self._table, frame.slot
        # Of a folded slot we need no rows: the sender lifts as soon as it hears of the fold. Our
        # own slot is written by nobody else.
        if table.is_folded(slot) or slot == table.own:
            return []
        transfer = self._transfers.answered_by(frame, process)
        if frame.confirm:
            self._confirm_to.setdefault(slot, set()).add(process)
        if frame.start > table.complete(slot) and not transfer:
            return self._want(slot, frame.complete, process, now)
        complete: int | None = frame.complete
        sends = []
        if transfer:
            complete = self._transfers.advance(transfer, frame, now)
            if ask := self._transfers.following(slot):
                sends = [Send(process, ask)]
        elif frame.more:
            complete = None
        if self._journal.merge_rows(slot, frame.rows, complete or 0):
            return sends  # `saved` goes on when they are on disk.
        return sends + self.saved(slot)

    def _answer_base(self, want: WantBase, process: str) -> list[Send]:
        table, day, start = self._table, want.day, want.start
        if table.lifting:
            return []
        if day is None:
            total, entries = len(table.base), table.base.chunk(start, self._max_rows)
        else:
            total, entries = table.days.chunk(day, start, self._max_rows)
        following = table.days.after(day)
        folded = Generations(table.folded)
        answer = BaseRows(folded, start, total, tuple(entries), day, following)
        return [Send(process, answer)]

    def _merge_base(self, frame: BaseRows, process: str, now: float) -> list[Send]:
        if not self._transfers.base_answered_by(frame, process):
            return []
        if self._table.lifting or frame.folded != self._table.folded:
            # The larger of each would lose what one side has in its base and the other in a slot.
            self._transfers.drop_base()
            return []
        if frame.day is None:
            self._journal.merge_base(frame.entries)
        else:
            self._journal.merge_day(frame.day, frame.entries)
        if ask := self._transfers.advance_base(frame, now):
            return [Send(process, ask)]
        self._peers.by_process[process].base_due = False
        return []

    def _confirm(self, slot: Slot) -> list[Send]:
        """Send `Have` to the peers that asked for it, once everything of `slot` is on disk."""
        column = self._table.columns[slot]
        if column.durable < column.complete:
            return []
        have = Have(slot, column.durable)
        return [Send(process, have) for process in self._confirm_to.pop(slot, ())]

    def _extent(self, slot: Slot, now: float) -> Extent:
        """How much of a slot is on disk. No fingerprint while more than that is here or comes."""
        column = self._table.columns.get(slot)
        if column is None:
            return NOTHING
        settled = self._journal.is_settled(slot) and not self._transfers.awaits(slot, now)
        return Extent(column.durable, column.fingerprint if settled else None)
