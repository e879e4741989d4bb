"""Retries: a view with a key counts once, wherever its retry lands.

A first attempt counts at once at the node that it reaches, and no key is sent around for it. A
*retry* may reach another node than the first attempt, which has perhaps counted, or will: its node
died, was stopped, or is cut off. So the node that receives a retry keeps the view as **pending**,
on disk, and asks every member of the cluster: have you counted this key?

- A member that has counted it says *counted*. The view is no new one, and is forgotten here once
  our disk has all that the member's has.
- A member that has not **promises** never to count it by itself, writes that, and says *never*. If
  the first attempt reaches it later, that one is pending there.
- A member that keeps the same key as pending says so. Then the process with the smaller id counts.

When every member has answered, and nobody has counted, the view counts. Whoever can't be reached is
waited for, until it is back, or is retired and the grace is over. So a node accepts a view at any
time, no number is ever too high, and only retries pay.

*Why is it never counted twice?* Call those who keep a key as pending *rivals*. A member that has
promised a key is no rival, so any two rivals had the key before either heard the other's question.
Then each hears of the other, so all know all rivals, and the smallest id is the same to them.

*A retry that reaches a member which has promised* the key waits **behind** the rivals, in case all
of them are lost with their disks. It says *never* to all, and after each promise to a rival it asks
again from the start. Once no rival is left, and nobody has counted, it becomes one, and asks again.

*Whom does a node ask that does not know all members?* Each joined through another one, which lists
its name from then on. So answers count only between two that list the same names, and the same of
them as gone. A name that is new takes first attempts for retries for a moment: they may have waited
here since before anybody knew the name. One that was gone does so until it is connected, too.

What can still count twice, or be lost: a key whose node lost its disk, or was set back to an old
one, or ran twice, on two disks; one counted or pending at a member that was retired by mistake, or
cut off for a week longer than keys live; one counted at a node that had never met its cluster, or
that left and was back on an empty disk before all had heard that it left. With every other fault,
each key counts once.

`inquiries` says who must answer, and `handover` what becomes of the keys of one that leaves.

(Paxos, Lamport 1998, has promises for the same purpose: an acceptor gives up what it could do.)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import islice
from typing import Any, Final, NamedTuple

from ratchet.changes import Changes, Pending
from ratchet.fingerprint import WORD, entry
from ratchet.frames import MAX_ROWS, AboutKeys, AskKeys, Farewell, Hello, Send, TellKeys
from ratchet.handover import COUNTED, Handover
from ratchet.holdings import Holdings
from ratchet.inquiries import NEVER, Inquiries
from ratchet.peers import Peers
from ratchet.table import Table

# So many views may be pending at once. More retries are refused.
MAX_PENDING: Final = 100_000
# So many questions of peers may wait for the driver. Others are asked again.
MAX_QUESTIONS: Final = 100
# So many pending views are looked at in a heartbeat, each once in a while, and asked for again.
MAX_LOOKED_AT: Final = 5000
# People see for whom so many of the oldest pending views wait: to look at all would take too long.
MAX_SHOWN: Final = 1000
# For how long a name that is new takes first attempts for retries. Those that waited for it to open
# its slot, or while it was stopped, are taken within that time.
NEW_S: Final = 5.0


class Fate(Enum):
    """What becomes of a view with a key."""

    NEW = auto()  # It counts now.
    COUNTED = auto()  # It has counted before.
    PENDING = auto()  # The others must be asked first.
    REFUSED = auto()  # Too many are pending.


# What a driver has on disk of keys: the video of each that was counted, None for one that was
# promised.
Known = Mapping[str, str | None]


class ObservedPending(NamedTuple):
    """The pending views, for people to see."""

    views: int
    # When the oldest came, in milliseconds since 1970; None if there is none.
    since_ms: int | None
    # For how many keys each name is awaited: it has not said of them what we need. Only the oldest
    # `MAX_SHOWN` keys are looked at.
    awaited: Mapping[str, int]
    # At how many addresses nobody was ever met. While there is one, no pending view counts.
    unmet: int


@dataclass(slots=True)
class _Writes:
    """What the next transaction has of keys: see `Changes`."""

    counted: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    promised: set[str] = field(default_factory=set)
    pending: dict[str, Pending | None] = field(default_factory=dict)
    # What to send when it is on disk.
    answers: list[Send] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.counted or self.elsewhere or self.promised or self.pending)


class Retries:
    """The pending views of this node, and what it answers to the questions of others.

    For each transaction the driver looks up the keys of its views, and those `asked` for. It asks
    for the `fate` of each view, and then calls `count`, `wait`, or neither; and `answer`, once.
    """

    def __init__(
        self,
        table: Table,
        peers: Peers,
        holdings: Holdings,
        inquiries: Inquiries,
        me: Hello,
        wall_ms: Callable[[], int],
    ) -> None:
        """`me`: this process. `wall_ms`: see `Replica`."""
        # Those on disk, by key, the oldest first.
        self.pending: dict[str, Pending] = {}
        self._pending_views = 0
        # The keys that are no longer pending, and how many views of each have counted here, until
        # the driver has taken them.
        self.outcomes: dict[str, int] = {}
        self._table = table
        self._peers = peers
        self._holdings = holdings
        self._inquiries = inquiries
        self._me = me
        self._wall_ms = wall_ms
        # Questions that wait until the driver has looked up their keys.
        self._questions: list[tuple[str, AskKeys]] = []
        self._next = _Writes()
        self._writing = _Writes()
        # The keys to look at: somebody has said something new of them, or it is their turn. And
        # those whose turn comes later.
        self._due: set[str] = set()
        self._later: list[str] = []
        # Whether this process ends for good: see `leave`.
        self.leaving = False
        # How often we have asked somebody to take pending views over.
        self._turn = 0
        # The keys that were counted here, then.
        self.handover = Handover(peers, inquiries, self._names)
        # Whether we know of anybody else, for the views of this transaction. None: not looked yet.
        self._others_exist: bool | None = None
        # Until when our name is new to the others; None before our slot is open.
        self._new_until: float | None = None
        self._now = 0.0

    def restore(self, part: Changes) -> None:
        """A part of what is on disk, when we start: the oldest pending views first."""
        for key, pending in part.pending.items():
            if pending:
                self.pending[key] = pending
                self._pending_views += pending.views
                self._inquiries.begin(key)

    # -- views -----------------------------------------------------------------------------------

    def fate(self, key: str, known: Known, *, first: bool) -> Fate:
        """What becomes of a view. `first`: it does not say that it is a retry."""
        if self._has_counted(key, known):
            return Fate.COUNTED
        if key in self._next.pending or key in self.pending:
            return Fate.PENDING
        is_promised = key in known or key in self._next.promised
        if first and not is_promised and not self._is_new():
            return Fate.NEW
        if self._others_exist is None:
            # Once for a transaction: this looks at every member, and a batch has 10,000 keys.
            self._others_exist = self._inquiries.others_exist()
        alone = not self._others_exist and (first or not self._inquiries.unmet)
        if alone and not is_promised:
            return Fate.NEW
        return Fate.PENDING if len(self.pending) < MAX_PENDING else Fate.REFUSED

    def count(self, key: str, video: str) -> None:
        """A view with this key counts in the next transaction."""
        self._next.counted[key] = video

    def wait(self, key: str, video: str, known: Known, views: int = 1) -> None:
        """Views with this key are pending from the next transaction on."""
        behind = key in known or key in self._next.promised
        self._keep(key, video, views, behind=behind)

    def _keep(self, key: str, video: str, views: int, *, behind: bool) -> None:
        if key not in self.pending and key not in self._next.pending:
            since_ms = self._wall_ms()
            self._next.pending[key] = Pending(video, views, self._me.process, behind, since_ms)

    def pending_s(self, keys: Iterable[str]) -> float:
        """For how long the newest of these keys has been pending; zero if none is. (If the wall
        clock was set back since, for no time yet.)"""
        times = [self.pending[key].since_ms for key in keys if key in self.pending]
        return max(0, self._wall_ms() - max(times)) / 1000 if times else 0.0

    def video_of(self, key: str) -> str | None:
        """The video of a pending view, or of one that counts in the next transaction."""
        pending = self._next.pending.get(key) or self.pending.get(key)
        return pending.video if pending else self._next.counted.get(key)

    # -- questions of others ---------------------------------------------------------------------

    def receive(self, frame: AboutKeys, process: str) -> list[Send]:
        """A peer asks, or answers, or has left, or knows that we have."""
        if isinstance(frame, TellKeys):
            self._hear(frame, process)
        elif isinstance(frame, Farewell):
            if frame.slot.node == self._me.node:
                self.handover.known_to(process)
            elif self._inquiries.farewell(frame.slot, process):
                return [Send(process, frame)]
        elif len(self._questions) < MAX_QUESTIONS:
            self._questions.append((process, frame))
        return []

    def asked(self) -> set[str]:
        """The keys that the driver must look up before it calls `answer`."""
        return {key for _, question in self._questions for key in question.keys}

    def answer(self, known: Known) -> list[Send]:
        """Answer the questions that wait. Returns what can be said at once. Other answers are sent
        when what they say is on disk."""
        self._others_exist = None
        questions, self._questions = self._questions, []
        for process, question in questions:
            # Who lists other names may know a member that we don't, or the other way round. Soon
            # both list the same, and it asks again.
            if question.names == self._names() and process in self._peers.by_process:
                self._next.answers.append(Send(process, self._tell(question, process, known)))
        if self._next:
            return []
        sends, self._next.answers = self._next.answers, []
        return sends

    def _tell(self, question: AskKeys, process: str, known: Known) -> TellKeys:
        counted: list[str] = []
        never: list[str] = []
        rivals: dict[str, str] = {}
        given = dict(zip(question.keys, question.views, strict=False))
        for key in question.keys:
            if self._has_counted(key, known):
                counted.append(key)
                continue
            if key in given:
                # Its node leaves, and hands the views over. If we have no room, or leave, too (it
                # may have said that it has taken over what is ours), it asks another.
                video, views = given[key]
                if views == COUNTED:
                    if self._take_counted(key, video):
                        counted.append(key)
                    continue
                is_full = len(self.pending) + len(self._next.pending) >= MAX_PENDING
                if is_full or self.leaving:
                    continue
                self._inquiries.gave(key, process)
                # Behind the others: perhaps we have promised the key, and forgotten that.
                self._keep(key, video, views, behind=True)
            else:
                self._inquiries.asks(key, process)
            ours = self._next.pending.get(key) or self.pending.get(key)
            if ours and (key in given or not ours.behind):
                rivals[key] = ours.by
                continue
            never.append(key)
            if ours and question.rival:
                self._inquiries.begin(key)
            elif not ours and key not in known:
                self._next.promised.add(key)
        return TellKeys(question.number, tuple(counted), tuple(never), rivals)

    def _take_counted(self, key: str, video: str) -> bool:
        """Its node leaves, and has counted this key. Whether we have noted that."""
        # If this transaction decides about a view with the key, the node asks again.
        if self.leaving or key in self._next.pending:
            return False
        self._next.elsewhere[key] = video
        if key in self.pending:
            self._next.pending[key] = None
        return True

    # -- our questions ---------------------------------------------------------------------------

    def tick(self, now: float, *, is_new: bool | None, is_back: bool) -> None:
        """Time has passed. `is_new`: whether no member knew our name to count when our slot was
        opened; None before that. `is_back`: whether it had gone before."""
        slept = self._inquiries.tick(now)
        # Or nobody can know that we are back: one that has left is awaited no more.
        unknown = slept or (is_back and not self._peers.by_process)
        if is_new is not None and (self._new_until is None or (unknown and self._is_new())):
            self._new_until = now + NEW_S if is_new else now
        self._now = now

    def beat(self, unmet: int) -> list[Send]:
        """Once a heartbeat: ask again. `unmet`: see `Replica.tick`."""
        self._inquiries.unmet = unmet
        self._inquiries.beat()
        self._later = self._later or [*self.pending]
        turn, self._later = self._later[:MAX_LOOKED_AT], self._later[MAX_LOOKED_AT:]
        again = [key for key in turn if key in self.pending]
        self._due.update(again)
        return self._ask(again) + self.handover.beat()

    def leave(self) -> None:
        """This process ends for good. Another one should take over what is pending."""
        if not self.leaving:
            self.leaving = True
            self._next.pending |= self._all_behind()
            # Those that keep a view may have handed it over to us since they said so.
            for key in self.pending:
                self._inquiries.begin(key)

    def _all_behind(self) -> dict[str, Pending | None]:
        """Our pending views, so that nobody waits for us. We count none of them any more."""
        return {
            key: replace(pending, behind=True)
            for key, pending in self.pending.items()
            if not pending.behind
            and key not in self._next.pending
            # If it counts in the transaction under way, it is no longer pending.
            and self._writing.pending.get(key, pending)
        }

    def _ask(self, keys: list[str]) -> list[Send]:
        if self.leaving and keys:
            self._turn += 1
            taker = self._inquiries.taker(self._turn)
            asked = {taker: keys} if taker else {}
        else:
            asked = self._inquiries.to_ask(self.pending, keys)
        return [
            Send(process, question)
            for process, some in asked.items()
            for question in self._questions_about(some)
        ]

    def _questions_about(self, keys: list[str]) -> Iterator[AskKeys]:
        for rival in (True, False):
            some = [key for key in keys if self.pending[key].behind != rival]
            for at in range(0, len(some), MAX_ROWS):
                part = tuple(some[at : at + MAX_ROWS])
                held = [self.pending[key] for key in part] if self.leaving else []
                views = tuple((pending.video, pending.views) for pending in held)
                number = self._inquiries.next_number()
                yield AskKeys(number, self._names(), rival, part, views)

    def _hear(self, answer: TellKeys, process: str) -> None:
        self.handover.hear(answer.counted)
        # While we lack what it has on disk, that view may be on its disk alone. So keep ours, and
        # ask again.
        is_here = self.leaving or not self._holdings.ahead(process)
        for key in answer.counted if is_here else ():
            # It has counted, whatever we asked.
            if (pending := self.pending.get(key)) and key not in self._next.counted:
                self._next.elsewhere[key] = pending.video
                self._next.pending[key] = None
        words = dict.fromkeys(answer.never, NEVER) | dict(answer.pending)
        for key, word in words.items():
            if self._inquiries.hear(key, word, process, answer.answers):
                self._due.add(key)
                if self.leaving and word != NEVER and key in self.pending:
                    # It is pending there now.
                    self._next.pending[key] = None
                    self._next.promised.add(key)

    # -- settling --------------------------------------------------------------------------------

    def settle(self, count: Callable[[str, int], bool]) -> None:
        """Count the pending views of which everybody has said what we need. (Look at those of which
        somebody has said something, and at all in turns: a member may have gone.) `count` returns
        False if it can't count so many now."""
        if self.leaving or self._inquiries.unmet or not self._due:
            return
        due, self._due = self._due & self.pending.keys(), set()
        self._inquiries.look()
        for key in sorted(due):
            pending = self.pending[key]
            if key in self._next.pending or any(self._inquiries.silent(key, pending)):
                continue
            if pending.behind:
                # Nobody has counted it, and no rival is left.
                self._next.pending[key] = replace(pending, behind=False)
            elif count(pending.video, pending.views):
                self._next.counted[key] = pending.video
                self._next.pending[key] = None

    def observe(self) -> ObservedPending:
        """What is pending, since when, and for whom. The cost is bounded."""
        oldest = next(iter(self.pending.values()), None)
        since_ms = None if oldest is None else oldest.since_ms
        awaited = self.awaited() if oldest else {}
        return ObservedPending(self._pending_views, since_ms, awaited, self._inquiries.unmet)

    def awaited(self) -> Mapping[str, int]:
        """Of how many pending views, among the oldest, each name has not said what we need."""
        counts: dict[str, int] = {}
        self._inquiries.look()
        for key, pending in islice(self.pending.items(), MAX_SHOWN):
            for node in {*self._inquiries.silent(key, pending)}:
                counts[node] = counts.get(node, 0) + 1
        return counts

    # -- writing ---------------------------------------------------------------------------------

    def begin(self) -> dict[str, Any]:
        """What is to be written of keys, as fields of `Changes`; nothing if there is nothing."""
        if not self._next:
            return {}
        self._writing, self._next = self._next, _Writes()
        return {
            "counted": self._writing.counted,
            "elsewhere": self._writing.elsewhere,
            "promised": frozenset(self._writing.promised),
            "pending": self._writing.pending,
        }

    def written(self) -> list[Send]:
        """What `begin` returned is on disk. What to send now."""
        writing, self._writing = self._writing, _Writes()
        new = []
        for key, pending in writing.pending.items():
            if pending is None:
                # Not twice, if two members have said that it has counted.
                if before := self.pending.pop(key, None):
                    self._pending_views -= before.views
                    # One that was handed over is pending elsewhere.
                    if key in writing.counted or key in writing.elsewhere:
                        self.outcomes[key] = before.views if key in writing.counted else 0
                self._inquiries.end(key)
            else:
                before = self.pending.get(key)
                self._pending_views += pending.views - (before.views if before else 0)
                self.pending[key] = pending
                self._inquiries.begin(key)
                new.append(key)
        # Perhaps there is nobody to ask.
        self._due.update(new)
        return writing.answers + self._ask(new)

    def unwritten(self) -> None:
        """What `begin` returned is surely not on disk. Peers ask again."""
        writing, self._writing = self._writing, _Writes()
        self._next.elsewhere |= writing.elsewhere
        self._next.pending |= dict.fromkeys(writing.elsewhere)
        if self.leaving:
            self._next.pending |= self._all_behind()

    def _has_counted(self, key: str, known: Known) -> bool:
        return (
            known.get(key) is not None or key in self._next.counted or key in self._next.elsewhere
        )

    def _is_new(self) -> bool:
        return self._new_until is None or self._now < self._new_until

    def _names(self) -> int:
        """A fingerprint of the names that we list, and of which of them are gone: they may come
        back."""
        table = self._table
        return sum(entry(node, 1 + table.is_gone(node)) for node in table.newest.names()) % WORD
