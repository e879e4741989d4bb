"""Identity: which nodes belong together, so that no two clusters merge by accident.

A cluster has one or more random *ids*. Each node stores those that it knows, and never drops one.
**Two nodes belong together if they share an id.** Then each takes the other's ids, too. So the ids
grow like everything else here, by a union, and need no agreement. (One id for each cluster, the
smaller if two meet, would not do: a node that was down meanwhile would not know the new one.)

             meets a cluster           everybody found everybody
   UNDECIDED --------------> YOUNG ------------------------------> SETTLED
             or makes an id      \\--- meets a node that is settled --/

- UNDECIDED: no id yet. It makes one when it opens its slot, at the first contact or after two
  seconds alone, unless it has taken one by then. So does a node with data from before there were
  ids.
- YOUNG: it has ids, and *joins* those whom it was sent to: it takes the ids of a node that it has
  found at an address which its operator gave it, or to which its peers are connected.
- SETTLED: it takes ids only of those with whom it shares one. All others are strangers, until an
  operator joins the two clusters.

**Only an operator's address leads a node into a cluster.** A node that was given none joins those
who find it, as long as it has counted nothing, and for its first seconds on an empty disk: it may
be the first node, back without its disk. So does a node whose ids were damaged on its disk.

*Why does a cluster not settle in two parts?* All nodes may start at once on empty disks, be cut off
from each other, and crash before their id is on disk. A node is *whole* once it has found, at each
address that it was given, a node with an id of its own, on both disks. Ids are never dropped, so
those two belong together for ever. A node settles when it knows of all names (but those that are
gone) that they are whole, itself among them; and when somebody with an id of its own has settled.
Whoever sends that a name is whole sends the names that it has found in the same digest, so they are
known, too. So to settle takes a set of nodes that is *closed*: it has every node that one of them
was given. Take the nodes as points, and the given addresses as arrows. Two parts without a common
id can both settle only if there are two closed sets without a common node. There are none where all
nodes were given the same addresses, or each other's, or where all arrows lead to one first node.
And a young node that meets a settled one, or another young one, where it was sent, joins it.

What this leaves to an operator: two first nodes that don't know each other; and disks that are lost
while their node is cut off. Then the nodes refuse each other, and nothing is lost.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from ratchet.frames import Digest, Hello
from ratchet.journal import Journal
from ratchet.peers import Peers
from ratchet.table import Table

# For how long a node that was given no address joins those who find it, although it counts. Its
# peers dial it every three seconds at least.
FOUND_S: Final = 10.0


class State(Enum):
    """How sure a node is of its cluster. The module's docstring has the picture."""

    UNDECIDED = auto()
    YOUNG = auto()
    SETTLED = auto()


@dataclass(frozen=True, slots=True)
class Stranger:
    """Why we don't talk to a process."""

    # The ids that the two sides show to people. None: that side has no id yet.
    ours: str | None
    theirs: str | None

    @property
    def may_change(self) -> bool:
        """Whether this is so only because one side has just started."""
        return self.ours is None or self.theirs is None

    def __str__(self) -> str:
        if self.may_change:
            return "one of the two nodes has just started, and belongs to no cluster yet"
        return f"another cluster: its id is {self.theirs}, ours {self.ours}"


@dataclass(slots=True)
class _Link:
    """What we know of a process that we talk to."""

    hello: Hello
    # Whether we found it at an address that our operator gave us.
    given: bool
    # Whether it joins us.
    joins: bool
    # Whether it has had an id of ours to join.
    has_ours: bool


class Identity:
    """The ids of our cluster, and who may talk to us."""

    def __init__(
        self,
        table: Table,
        journal: Journal,
        peers: Peers,
        me: Hello,
        chance: Callable[[int], int],
        *,
        sent: bool,
    ) -> None:
        """`sent`: whether our operator gave us an address of another node. `chance`: as for a
        generation."""
        self._table = table
        self._journal = journal
        self._peers = peers
        self._me = me
        self._chance = chance
        self._sent = sent
        self._links: dict[str, _Link] = {}
        # The processes that had an id of ours on disk, when we had it on disk.
        self._found: set[str] = set()
        self._strangers: dict[str, Stranger] = {}
        # The ids that this process has made.
        self._made: set[str] = set()
        # When we started, if that was on an empty disk, or on one that has lost our ids.
        self._fresh_since: float | None = None
        self._has_lost_ids = False
        self._begun = False
        self._now = 0.0

    @property
    def state(self) -> State:
        """How sure we are of our cluster."""
        if self._table.settled:
            return State.SETTLED
        return State.YOUNG if self._table.ids else State.UNDECIDED

    @property
    def name(self) -> str | None:
        """The id that stands for the cluster: the smallest, so that all nodes show the same."""
        return min(self._table.ids, default=None)

    def has_found(self, process: str) -> bool:
        """Whether we and this process share an id that is on both disks."""
        return process in self._found

    def stranger(self, process: str) -> Stranger | None:
        """Why we no longer talk to a process that we have admitted. End the connection."""
        return self._strangers.get(process)

    def lost_ids(self) -> None:
        """The disk has had ids of our cluster, and can't return all of them. Call it at the
        start."""
        self._has_lost_ids = True

    # -- meeting others ------------------------------------------------------------------------

    def introduce(self, peer: Hello | None, *, given: bool) -> Hello:
        """Our hello on a connection: make it before you ask whether to `admit` the other side.
        `peer`: the hello of the other side, if that came first. `given`: whether we have dialled an
        address that our operator gave us."""
        return replace(
            self._me,
            cluster=self._table.claimed_ids(),
            settled=self._table.settled_on_disk,
            joins=self._joins(peer, given=given),
        )

    def admit(self, peer: Hello, *, given: bool) -> Stranger | None:
        """Decide whether we talk on a connection, before anything of it is merged. Returns why not.
        `given`: see `introduce`."""
        before = self._links.get(peer.process)
        link = _Link(
            peer,
            given or (before is not None and before.given),
            peer.joins or (before is not None and before.joins),
            bool(self._table.ids_on_disk),
        )
        stranger = self._judge(link, peer.cluster, settled=peer.settled)
        if stranger is None:
            self._links[peer.process] = link
            self._strangers.pop(peer.process, None)
        return stranger

    def joined(self, peer: Hello) -> None:
        """A process is connected. A driver that did not ask whether to admit it was sent to it."""
        if peer.process not in self._links and (stranger := self.admit(peer, given=True)):
            self._strangers[peer.process] = stranger

    def left(self, process: str) -> None:
        """The last connection to a process is down."""
        self._links.pop(process, None)
        self._strangers.pop(process, None)

    def learn(self, digest: Digest, process: str) -> None:
        """A digest of a connected process."""
        link = self._links.get(process)
        if link is None:
            return
        # If it has settled before it knew an id of ours, it will not join us any more.
        link.joins &= link.has_ours or not digest.settled
        stranger = self._judge(link, digest.cluster, settled=digest.settled)
        if stranger:
            self._strangers[process] = stranger
        elif self._table.ids & {*digest.cluster}:
            self._table.whole |= {*digest.whole}
            if self._table.ids_on_disk & {*digest.cluster}:
                self._found.add(process)

    def join(self, cluster: str) -> bool:
        """An operator says that the cluster with this id and ours are one. Whether that is new."""
        before = cluster in self._table.ids
        self._journal.join_cluster({cluster})
        return not before

    def _judge(self, link: _Link, theirs: Iterable[str], *, settled: bool) -> Stranger | None:
        """Take the ids of those who belong to us. Returns why we don't talk to a process."""
        # A node of an older version has no ids, and is welcome, as it always was.
        if link.hello.has_ids:
            ids = {*theirs}
            if ids & self._table.ids or self._joins(link.hello, given=link.given):
                self._take(ids, settled=settled)
            elif not link.joins:
                return Stranger(self.name, min(ids, default=None))
        return None

    def _joins(self, peer: Hello | None, *, given: bool) -> bool:
        """Whether we take over the ids of a process with which we share none."""
        table = self._table
        if not self._sent and self._is_fresh():
            return True
        if table.settled:
            return False
        if given or (peer is not None and peer.process in self._peers.alive()):
            return True
        return not self._sent and table.is_blank()

    def _is_fresh(self) -> bool:
        """Whether we have just started without the ids that our cluster may have, and nobody has
        ours."""
        since = self._fresh_since
        return (
            since is not None
            and self._now - since < FOUND_S
            and self._table.ids <= self._made
            and not self._peers.by_process
        )

    def _take(self, ids: set[str], *, settled: bool) -> None:
        self._journal.join_cluster(ids, settled=settled)

    # -- settling ------------------------------------------------------------------------------

    def tick(self, now: float, unfound: int | None, *, waiting: bool) -> None:
        """Time has passed. `waiting`: whether our slot is not open yet. `unfound`: see
        `Replica.tick`."""
        self._now = now
        table = self._table
        # Some were admitted, and did not join: a second connection was not needed, for example.
        peers = self._peers.by_process
        self._links = {process: it for process, it in self._links.items() if process in peers}
        if not self._begun:
            self._begun = True
            if not table.ids and (table.is_blank() or self._has_lost_ids):
                self._fresh_since = now
        self.decide(waiting=waiting)
        if unfound == 0 and table.ids_on_disk:
            table.whole.add(self._me.node)
        if not table.settled and self._me.node in table.whole and not table.is_blank():
            names = {node for node in table.nodes() if not table.is_gone(node)}
            if names <= table.whole:
                self._journal.join_cluster(settled=True)

    def decide(self, *, waiting: bool) -> None:
        """If we know no id by the time when our slot opens, make one."""
        if not waiting and not self._table.ids:
            made = f"{self._chance(2**64):016x}"
            self._made.add(made)
            self._journal.join_cluster({made})
