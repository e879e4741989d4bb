"""Imports: counts of another program, in a slot that no process counts in.

An import has a name, and its rows stand in the slot `import-NAME@generation`. All nodes may write
them: each row says how often a video was viewed, so to write it twice is to merge it twice. That is
why an import can be sent again, in part or as a whole, through any node, and counts once. At its
end the slot is closed, and folds like any other.

Two nodes that begin one import at the same time must not open two slots: both would count. So a
node first only lists the name, with a new generation. It takes rows when each member has said that
it lists the name with this same generation. Generations only rise, and a node that lists the name
opens no other slot of it. So two nodes that list two of them end on the larger one, before either
has taken a row. Once there are rows of a slot, all have agreed on it. (A process that was no member
then may list a larger generation. It takes no rows in that slot: the others say that they have
rows of another one, and it goes on in that.)

Names of imports are never forgotten (see `forgetting`). If one were, the same import would count
again.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from ratchet.bounds import Bounds
from ratchet.cluster import AWAKE_S, Cluster
from ratchet.journal import Journal
from ratchet.members import Members
from ratchet.names import IMPORT, is_import
from ratchet.peers import Peers
from ratchet.slot import Slot, new_generation
from ratchet.table import Table

# More are refused: each name stays in every message between nodes for good.
MAX_IMPORTS: Final = 100


class Progress(NamedTuple):
    """How far an import is."""

    # `agreeing`: it takes no rows before all members agree on its slot. `open`: it takes rows.
    # `ended`: it takes no more.
    state: Literal["agreeing", "open", "ended"]
    # What is in the way of agreeing.
    waits_for: tuple[str, ...] = ()
    # How many videos it has, None if they are in the base; and how many views.
    videos: int | None = 0
    views: int = 0


class TooManyImports(Exception):
    """The cluster has `MAX_IMPORTS` already."""


class Imports:
    """Opens, fills and ends the slots of imports."""

    def __init__(
        self,
        table: Table,
        journal: Journal,
        peers: Peers,
        members: Members,
        cluster: Cluster,
        bounds: Bounds,
        wall_ms: Callable[[], int],
        chance: Callable[[int], int],
    ) -> None:
        """`wall_ms`, `chance`: see `slot.new_generation`."""
        self._table = table
        self._journal = journal
        self._peers = peers
        self._members = members
        self._cluster = cluster
        self._bounds = bounds
        self._wall_ms = wall_ms
        self._chance = chance

    def begin(self, name: str, now: float) -> Progress:
        """Begin the import `name`, or say how far it is. Call it until it is no more `agreeing`.

        Raises `TooManyImports`."""
        node = IMPORT + name
        if node not in self._table.newest:
            waits_for = (*self._out_of_sight(now),)
            if waits_for:
                return Progress("agreeing", waits_for)
            self._list(node)
            self._members.brought(node, now)
        return self.progress(name, now)

    def progress(self, name: str, now: float) -> Progress:
        """How far an import is that has begun."""
        slot = self._slot(name)
        is_closed, column = self._table.is_closed(slot), self._table.columns.get(slot)
        if column:
            return Progress("ended" if is_closed else "open", (), len(column), column.total)
        if is_closed:
            views = self._table.lifted_views.get(slot.node, 0)
            return Progress("ended", videos=None, views=views)
        waits_for = (*self._out_of_sight(now), *self._undecided(slot))
        return Progress("agreeing" if waits_for else "open", waits_for)

    def room(self, name: str) -> int:
        """How many views of one video other nodes believe of the import."""
        return self._bounds.most_views(self._slot(name))

    def put(self, name: str, views_of: Mapping[str, int], now: float) -> None:
        """Put these rows into an `open` import. They are seen once they are on disk."""
        slot = self._slot(name)
        self._journal.bring(slot, views_of)
        self._members.brought(slot.node, now)

    def end(self, name: str) -> None:
        """The import has all its rows."""
        node = IMPORT + name
        self._journal.join(closed={node: self._table.newest[node]})
        self._cluster.tell()

    def _slot(self, name: str) -> Slot:
        """The slot that has rows; if none has, the newest one."""
        node, columns = IMPORT + name, self._table.columns
        begun = [slot for slot in columns if slot.node == node and len(columns[slot])]
        return min(begun, default=Slot(node, self._table.newest[node]))

    def _list(self, node: str) -> None:
        newest = self._table.newest
        if sum(map(is_import, newest.names())) >= MAX_IMPORTS:
            raise TooManyImports
        generation = new_generation(self._wall_ms(), self._chance, newest.placeholder)
        self._journal.join({node: generation})
        self._cluster.tell()

    def _out_of_sight(self, now: float) -> Iterator[str]:
        """The members that may know of another slot of an import, in words."""
        if self._cluster.awake_s(now) < AWAKE_S:
            yield "this node has just started"
        if self._cluster.unmet:
            yield (
                "this node has not met all nodes yet at the places that it was given (a new "
                "cluster on a bus has to count a view first)"
            )
        for node in self._members.missing_s(now):
            if not is_import(node):
                yield f"{node} is missing"
        for process, alive in self._peers.alive().items():
            if process not in self._peers.by_process:
                yield f"{alive.node} is not connected to this node"
        for peer in self._peers:
            if peer.digest is None:
                yield f"{peer.hello.node} has said nothing yet"

    def _undecided(self, slot: Slot) -> Iterator[str]:
        for peer in self._peers:
            digest = peer.digest
            if digest is None or digest.newest[slot.node] != slot.generation:
                yield f"{peer.hello.node} does not list it yet"
            elif any(each.node == slot.node and each != slot for each in digest.slots):
                yield f"{peer.hello.node} has rows of it that are still to come"
