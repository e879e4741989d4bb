"""Inquiries: who must say of a key whether it has counted it, and what each has said.

Everybody must: every process that is alive, and every name that is missing or may come back within
its grace, unless it has left and said farewell. A process that has answered and died is not asked
again: what it said was on its disk, and its next process says the same.

But a process that has not answered may hand its keys over before it ends, to one that has. So when
it need not be awaited any more, or its name counts in a new slot, all are asked again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ratchet.changes import Pending
from ratchet.frames import KEYS_SINCE, Hello
from ratchet.generations import Generations
from ratchet.members import Members
from ratchet.names import is_import
from ratchet.peers import Peers
from ratchet.slot import Slot
from ratchet.table import Table

# What somebody has said of a key that it never counts. A rival says the id of a process instead.
NEVER: Final = ""
# After so long without a tick, we have been stopped.
SLEPT_S: Final = 3.0
# How long all must have been connected, so that all their questions have come. A member that has
# many pending views asks for the last of them after 20 s (see `retries.MAX_LOOKED_AT`), a question
# may get lost, and a connection is dead for some seconds before anybody knows.
HEARD_S: Final = 60.0
# For how long keys that have expired are kept for members that can't be reached.
HOLD_S: Final = 7 * 86400.0


@dataclass(slots=True)
class _Inquiry:
    """What was said of one key: by process, and by name, as processes end."""

    # Only answers to questions from this number on count.
    since: int
    by_process: dict[str, str] = field(default_factory=dict)
    by_node: dict[str, str] = field(default_factory=dict)


class Inquiries:
    """Our questions about keys."""

    def __init__(self, table: Table, peers: Peers, members: Members, me: Hello) -> None:
        """`me`: this process."""
        # At how many addresses, given to this node, nobody was ever met.
        self.unmet = 0
        self._table = table
        self._peers = peers
        self._members = members
        self._me = me
        self._by_key: dict[str, _Inquiry] = {}
        # Who has handed the views of a key over to us, and never counts them: processes and names.
        self._gave: dict[str, dict[str, str]] = {}
        # The slots of those that have said farewell.
        self._farewells = Generations()
        # The number of the last question.
        self._number = 0
        self._now = 0.0
        # At the last look: all other processes that are alive, with their names; and the names of
        # which none is, and one may come back.
        self._everybody: dict[str, str] = {}
        self._missing: set[str] = set()
        # The newest slots of the names of both.
        self._awaited: set[Slot] = set()
        # When we first looked; since when all have been connected without a gap; and when that had
        # last been so for long enough.
        self._began: float | None = None
        self._whole_since: float | None = None
        self._heard_at: float | None = None

    # -- our questions ---------------------------------------------------------------------------

    def begin(self, key: str) -> None:
        """Ask everybody about this key, again if it was asked before."""
        gave = self._gave.get(key, {})
        by_node = dict.fromkeys(gave.values(), NEVER)
        self._by_key[key] = _Inquiry(self._number + 1, dict.fromkeys(gave, NEVER), by_node)

    def gave(self, key: str, process: str) -> None:
        """A process that leaves hands the views of this key over. It may be gone before we can ask
        it."""
        node = self._peers.by_process[process].hello.node
        self._gave.setdefault(key, {})[process] = node

    def asks(self, key: str, process: str) -> None:
        """A process asks for this key. If an earlier one of its name has handed the views over, it
        may have ended before it knew, and left them on its disk. Then this one may count them."""
        if gave := self._gave.get(key):
            node = self._peers.by_process[process].hello.node
            self._gave[key] = {p: name for p, name in gave.items() if p == process or name != node}

    def end(self, key: str) -> None:
        """Nobody need say any more of this key."""
        self._by_key.pop(key, None)
        self._gave.pop(key, None)

    def next_number(self) -> int:
        """The number of the next question."""
        self._number += 1
        return self._number

    def hear(self, key: str, word: str, process: str, number: int) -> bool:
        """A process has said `word` of a key, in answer to the question with this number. Whether
        that counts."""
        inquiry = self._by_key.get(key)
        if inquiry is None or number < inquiry.since:
            return False
        node = self._peers.by_process[process].hello.node
        inquiry.by_process[process] = inquiry.by_node[node] = word
        return True

    def to_ask(self, pending: Mapping[str, Pending], keys: Iterable[str]) -> dict[str, list[str]]:
        """Which of these keys to ask each peer about."""
        asked: dict[str, list[str]] = {}
        for process, peer in self._peers.by_process.items():
            if peer.version >= KEYS_SINCE:
                for key in keys:
                    word = self._by_key[key].by_process.get(process)
                    if not self._is_final(pending[key], word, process):
                        asked.setdefault(process, []).append(key)
        return asked

    def silent(self, key: str, pending: Pending) -> Iterator[str]:
        """The names that have not said of a pending key what we need to count it."""
        inquiry = self._by_key[key]
        for process, node in self._everybody.items():
            if not self._is_final(pending, inquiry.by_process.get(process), process):
                yield node
        for node in self._missing:
            if not self._is_final(pending, inquiry.by_node.get(node), ""):
                yield node

    def _is_final(self, ours: Pending, word: str | None, process: str) -> bool:
        """Whether we need no other word of `process`."""
        if word is None or word == NEVER:
            return word == NEVER
        # Of rivals the smallest counts. On two copies of one disk they have the same id.
        return not ours.behind and (word, process) > (ours.by, self._me.process)

    # -- who is there ----------------------------------------------------------------------------

    def tick(self, now: float) -> bool:
        """Time has passed. Whether we have been stopped meanwhile."""
        slept = now - self._now > SLEPT_S
        if slept:
            self._whole_since = None
        self._now = now
        return slept

    def look(self) -> None:
        """Who is there now? Call it before `silent`."""
        self._everybody = {process: one.node for process, one in self._peers.alive().items()}
        missing = {*self._members.missing_s(self._now)}
        dismissed = self._members.dismissed(self._now)
        missing |= {one.node for one in dismissed if not self._has_left(one.slot)}
        # An earlier process of our name has left us its disk.
        missing -= {self._me.node}
        # Nobody counts views in an import.
        self._missing = {node for node in missing if not is_import(node)}
        names, newest = {*self._everybody.values(), *self._missing}, self._table.newest
        awaited = {Slot(node, newest[node]) for node in names}
        if gone := self._awaited - awaited:
            self._ask_again_without({slot.node for slot in gone})
        self._awaited = awaited

    def farewell(self, slot: Slot, process: str) -> bool:
        """A process says that a name need not be asked any more. Whether it may: it has that
        name."""
        if slot.node != self._peers.by_process[process].hello.node:
            return False
        self._farewells.merge({slot.node: slot.generation})
        return True

    def _has_left(self, slot: Slot | None) -> bool:
        return slot is not None and self._farewells.covers(slot)

    def _ask_again_without(self, gone: set[str]) -> None:
        """Nobody waits for the last processes of these names any more. One that left has handed its
        keys over, perhaps to somebody who had said of them before that it never counts them. Its
        next process knows nothing of them if it starts on an empty disk."""
        for key, inquiry in self._by_key.items():
            if any(inquiry.by_node.get(node) != NEVER for node in gone):
                self.begin(key)

    def beat(self) -> None:
        """Once a heartbeat: is everybody connected?"""
        self.look()
        now = self._now
        if self._began is None:
            self._began = now
        absent = self._missing - {*self._everybody.values()}
        indirect = self._everybody.keys() - self._peers.by_process.keys()
        # (At an address where nobody was ever met, no member waits for us.)
        if absent or indirect:
            self._whole_since = None
        elif self._whole_since is None:
            self._whole_since = now
        elif now - self._whole_since >= HEARD_S:
            self._heard_at = now

    def others_exist(self) -> bool:
        """Whether we know of anybody else."""
        self.look()
        return bool(self._everybody or self._missing)

    def heard_until(self, now: float) -> float:
        """A key that expired before this time may be forgotten: nobody can still ask for it."""
        if self._began is None:
            return float("-inf")
        limit = now - HOLD_S if now - self._began >= HOLD_S else float("-inf")
        if self._heard_at is None:
            return limit
        # If there is nobody, nobody's questions can be on their way.
        others = self._everybody or self._missing
        return max(limit, self._heard_at - HEARD_S if others else now)

    def taker(self, turn: int, since: int = KEYS_SINCE) -> str | None:
        """A process that can take over what we have: one that stays, and speaks version `since`.
        Each turn another. (Count turns where nothing else is counted, or two of them may always get
        the same one.)"""
        stay = [
            process
            for process, peer in sorted(self._peers.by_process.items())
            if peer.version >= since and peer.slot and not self._table.is_closed(peer.slot)
        ]
        return stay[turn % len(stay)] if stay else None
