"""The cluster: what this replica learns about the other members, and what it does about them.

Frames carry what others know of starts, closings and folds. Once a heartbeat a replica looks
around: it retires the members that are overdue, folds the slots that nothing is in the way of, and
forgets names that have gone.
"""

from typing import Final

from ratchet import folding, forgetting
from ratchet.days import day_at
from ratchet.folding import Fold
from ratchet.frames import Digest, Frame, Hello, Pulse, Rows
from ratchet.generations import join
from ratchet.journal import Journal
from ratchet.members import Members
from ratchet.names import is_import
from ratchet.notices import Kind, Notices
from ratchet.options import Options
from ratchet.peers import Peers
from ratchet.slot import Slot
from ratchet.start import Start
from ratchet.table import NOTHING_NEW, Table
from ratchet.talk import Talk

# How often a replica sends its digest: what was lost is noticed within a second.
HEARTBEAT_S: Final = 1.0
# How often a notice repeats that something is still wrong.
REMIND_S: Final = 3600.0
# Before names are forgotten, every member has said what it knows in this time, and we have been
# looking around for longer without a gap. (After a pause, what peers sent before it comes in.)
FRESH_S: Final = 3.0
AWAKE_S: Final = 4.0
# For how long a name is missing before a notice says so: between two slots it is for a moment, if
# somebody else names the new one first.
SURELY_S: Final = 3.0
# How full a digest is when it is called large: names can double twice before any is left out.
LARGE: Final = 0.25


class Cluster:
    """Joins what others know, retires, and folds."""

    def __init__(
        self,
        table: Table,
        journal: Journal,
        peers: Peers,
        talk: Talk,
        members: Members,
        notices: Notices,
        node: str,
        start: Start,
        options: Options,
    ) -> None:
        """`node`: our own name. `start`: when this process started."""
        self.grace_s = options.grace_s
        # None: at the next tick.
        self._next_heartbeat: float | None = None
        # Whether the last heartbeat has news that nobody else can know: a closing of ours.
        self.has_news = False
        self._to_tell = False
        self._last_own: Slot | None = None
        # When we last looked around, and since when without a gap.
        self._looked = self._awake_since = float("-inf")
        # At how many addresses, given to this node, nobody was ever met.
        self.unmet = 0
        self._table = table
        self._journal = journal
        self._peers = peers
        self._talk = talk
        self._members = members
        self._notices = notices
        self._node = node
        self._start = start
        self._retention_s = options.retention_s
        self._spare_names = options.spare_names
        self._kept_days = options.kept_days
        # When we last said what is wrong, and with which name.
        self._reminded: dict[tuple[Kind, str], float] = {}

    def meet(self, hello: Hello, now: float) -> None:
        """A process is connected. From now on its name is on our disk and in our digests: if it is
        cut off before any node knows its slot, it is missing."""
        self._list(hello.node)
        self._members.meet(hello, now)

    def learn(self, frame: Frame, now: float) -> None:
        """Join what `frame` says of the cluster, before anything else is done with it."""
        if isinstance(frame, Rows):
            if self._table.is_folded(frame.slot) or frame.slot == self._table.own:
                return  # Such rows say nothing new, and are not merged.
            joined = self._journal.join({frame.slot.node: frame.slot.generation})
            self._members.note(frame, joined, now)
        elif isinstance(frame, Pulse):
            self._journal.forget_days(frame.days.first)
            if frame.slot is None:
                return
            # When we first had the rest of it in a digest, we joined that. To join takes a look at
            # every name, and pulses are many.
            node, generation = frame.slot
            news = not self._table.newest.covers(frame.slot)
            joined = self._journal.join({node: generation}) if news else NOTHING_NEW
            self._members.note(frame, joined, now)
        elif isinstance(frame, Digest):
            slots = {slot.node: slot.generation for slot in sorted(frame.slots)}
            joined = self._journal.join(join(frame.newest, slots), frame.closed, frame.folded)
            self._members.note(frame, joined, now)
            if own := [slot for slot in joined.lifted if slot.node == self._node]:
                self._say_what_nobody_had_seen(frame, own)
            self._journal.forget_days(frame.days.first)
            # After lifting: what was lifted here just now is among what they have lifted.
            self._journal.join_lifted_views(frame.lifted_views)

    def tick(self, now: float, unmet: int, *, counting: bool) -> bool:
        """Time has passed. Whether a heartbeat was due. `unmet`: see `Replica.tick`."""
        self.unmet = unmet
        if self._next_heartbeat is not None and now < self._next_heartbeat:
            return False
        self._next_heartbeat = now + HEARTBEAT_S
        # Who opens a slot closes those before it.
        self.has_news = self._to_tell or self._table.own != self._last_own
        self._to_tell, self._last_own = False, self._table.own
        self._beat(now, counting=counting)
        return True

    def hurry(self) -> None:
        """The next tick is a heartbeat."""
        self._next_heartbeat = None

    def tell(self) -> None:
        """The others should know soon what has happened here."""
        self._to_tell = True
        self.hurry()

    def awake_s(self, now: float) -> float:
        """For how many seconds we have been looking around without a gap."""
        return now - self._awake_since

    def folds(self, now: float) -> list[Fold]:
        """The closed slots that are not folded yet, by name, and what is in the way."""
        # Of a slot without rows somebody may still come with some. So it waits for the retention,
        # too; then it is folded, and its name is one that has gone.
        closed_s = self._members.closed_s(now, self._latest_forgotten(now))
        if not closed_s:
            return []
        view = folding.View(
            now=now,
            extents=self._talk.extents(now),
            folded=self._table.folded,
            peers=self._peers,
            missing_s=self._members.missing_s(now),
            dismissed=[*self._members.dismissed(now)],
            closed_s=closed_s,
            grace_s=self.grace_s,
            unmet=self.unmet,
        )
        return list(folding.folds(view))

    def retire(self, node: str) -> None:
        """Close all slots of a node that will not come back. Doing it twice changes nothing.

        Raises `Refused`.
        """
        self._members.check_may_retire(node)
        self._retire(node, "an operator retires it")
        self.tell()

    def forget_days(self, now: float) -> None:
        """Forget old days. Only with an open slot: if our clock is weeks ahead, the others refuse
        what we say because of our slot. Our first day alone would be one of the past to them."""
        # The day after today, if no day is kept.
        self._journal.forget_days(day_at(self._start.time_us(now)) + 1 - self._kept_days)

    def _beat(self, now: float, *, counting: bool) -> None:
        """Once a heartbeat. A replica that is not `counting` only looks."""
        self._note_gaps(now)
        for peer in self._peers:
            if peer.slot is None:
                # The floor may have risen over what stands for its slot.
                self._list(peer.hello.node)
        self._members.look(now)
        self._warn_of_many_names(now)
        if counting:
            self.forget_days(now)
            for node, silent_s in self._members.overdue(now):
                self._retire(node, f"{node} has been missing for {silent_s:.0f} s")
            for fold in self.folds(now):
                if not fold.obstacles:
                    self._fold(fold)
                self._remind(fold, now)
            self._forget(now)

    def _list(self, node: str) -> None:
        """List a name although no slot of it may be known."""
        newest = self._table.newest
        # A name below the floor is listed already, with the slot in which it still counts.
        if node not in newest:
            self._journal.join({node: newest.placeholder})

    def _retire(self, node: str, why: str) -> None:
        slot = Slot(node, self._table.newest[node])
        if not self._table.is_closed(slot):
            self._notices.add("retired", node, f"{why}: {slot} and all before it count no more")
            self._journal.join(closed={node: slot.generation})

    def _fold(self, fold: Fold) -> None:
        columns = [self._table.columns.get(slot) for slot in fold.slots]
        views = sum(column.total for column in columns if column)
        self._journal.join(folded={fold.node: fold.generation})
        text = f"slots of {fold.node} up to {fold.node}@{fold.generation}, with {views} views"
        self._notices.add("folded", fold.node, f"{text}, are folded into the base")

    def _forget(self, now: float) -> None:
        """Forget names that have gone, if they are many and nothing is in the way."""
        gone = forgetting.gone(self._table, self._latest_forgotten(now))
        if len(gone) > self._spare_names and self._sees_everybody(now):
            self._journal.join(*forgetting.without(self._table, gone))
            text = f"{len(gone)} names that have gone are forgotten, and all others that started"
            floor = self._table.newest.floor
            self._notices.add("forgotten", self._node, f"{text} up to generation {floor}")

    def _latest_forgotten(self, now: float) -> int:
        """The generation of a slot that started a retention ago."""
        return self._start.time_us(now) - int(self._retention_s * 1e6)

    def _sees_everybody(self, now: float) -> bool:
        """Whether every member is connected, and has just said which names it knows."""
        return (
            self.awake_s(now) >= AWAKE_S
            and not self.unmet
            and not self._members.missing_s(now)
            and self._peers.alive().keys() <= self._peers.by_process.keys()
            and all(
                peer.knows_floors and peer.slot and now - peer.digest_at <= FRESH_S
                for peer in self._peers
            )
        )

    def _note_gaps(self, now: float) -> None:
        if now - self._looked > FRESH_S:
            self._awake_since = now
        self._looked = now

    def _remind(self, fold: Fold, now: float) -> None:
        for obstacle in fold.obstacles:
            if obstacle.amount < SURELY_S:
                continue
            if obstacle.kind == "missing" and is_import(obstacle.node):
                self._say(
                    "missing",
                    obstacle.node,
                    f"the import {obstacle.node} has not ended; closed slots can't be folded until "
                    "somebody runs it again to its end, or retires it",
                    now,
                )
            elif obstacle.kind == "missing":
                self._say(
                    "missing",
                    obstacle.node,
                    f"{obstacle.node} has been missing for {obstacle.amount:.0f} s; closed slots "
                    "can't be folded until it is back, or is retired",
                    now,
                )

    def _warn_of_many_names(self, now: float) -> None:
        fill = self._talk.fill()
        names = f"{len(self._table.newest.names())} names of nodes fill {fill:.0%} of a digest"
        if fill > 1:
            text = f"{names}: the oldest are left out, and new nodes can't get all counts"
            self._say("cut", self._node, text, now)
        elif fill >= LARGE:
            text = f"{names}. When it is full, new nodes can't get all counts any more"
            self._say("large", self._node, text, now)

    def _say(self, kind: Kind, node: str, text: str, now: float) -> None:
        """Say it now, and again after `REMIND_S` if that still holds."""
        recent = {what: at for what, at in self._reminded.items() if now - at < REMIND_S}
        if (kind, node) not in recent:
            recent[kind, node] = now
            self._notices.add(kind, node, text)
        self._reminded = recent

    def _say_what_nobody_had_seen(self, theirs: Digest, lifted: list[Slot]) -> None:
        """Our slots were folded while we were away. Nobody else had seen the views that we have
        lifted and they have not."""
        ours = self._table.lifted_views.get(self._node, 0)
        if self._node not in self._table.folded:
            views = sum(self._table.lifting[slot].total for slot in lifted)
            self._notices.add(
                "unseen",
                self._node,
                f"the others have forgotten the name of this node, or never knew it: of its "
                f"{views} views those are lost that nobody else had seen",
            )
        elif (unseen := ours - theirs.lifted_views.get(self._node, 0)) > 0:
            self._notices.add(
                "unseen",
                self._node,
                f"this node's slots were folded without it: {unseen} of its views nobody else had "
                "seen, and they may be lost",
            )
