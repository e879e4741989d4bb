"""A plan: what `ratchet repair` takes out of a node's data, and what it puts right by itself.

No merge ever takes a number back. So a number that should never have got in must leave the data of
every node, while no node runs. An operator says which slots go, and which numbers are wrong. Maps
and claims that can't be true by this machine's clock are put right by themselves: nothing depends
on them but what nodes say to each other.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ratchet.bounds import AHEAD_US
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Column, Row
from ratchet.days import day_at
from ratchet.generations import FLOOR, NOTHING, Generations
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot
from ratchet.table import Table


class PlanError(Exception):
    """The plan does not fit the data. The message says why, and how to mend it."""


@dataclass(frozen=True)
class Plan:
    """What an operator wants. The same plan is for every node. Not every node has everything that
    it names, so what is not there changes nothing."""

    # Names that don't belong here: all their slots go, and all that is known of them.
    names: frozenset[str] = frozenset()
    slots: frozenset[Slot] = frozenset()
    renamed: Mapping[Slot, Slot] = field(default_factory=dict)
    # The right number of a video in a slot, or in the base (None).
    numbers: Mapping[tuple[Slot | None, str], int] = field(default_factory=dict)

    def check(self, table: Table, latest: int) -> None:
        """Raises `PlanError` if a renamed slot would be lost, or mixed with another one. `latest`
        is the largest generation that can be true."""
        there = columns_of(table)
        if len({*self.renamed.values()}) < len(self.renamed):
            raise PlanError("two slots can't become one: their views would be lost; name two slots")
        for old, new in self.renamed.items():
            if old not in there:
                continue
            folded = Slot(old.node, table.folded[old.node])
            why = None
            if old.node != new.node:
                why = f"name a slot of {old.node}"
            elif new in there:
                why = (
                    "there is a slot of that name. If it is the same slot, which came from a node "
                    f"that was repaired before, use --drop {old}. If not, name another one"
                )
            elif new.generation > latest:
                why = "that would be in the future, too; name a slot of the past"
            elif new.generation <= folded.generation <= latest:
                why = f"slots up to {folded} are in the base; name a later one"
            if why:
                raise PlanError(f"{old} can't become {new}: {why}")

    def apply(self, table: Table, latest: int) -> Table:
        """`table` as it is after the repair. Call `check` first."""
        mended = Table()
        mended.restore(self._maps(table, latest))
        for slot, column in columns_of(table).items():
            if self._stays(slot):
                # What is on its way into the base is in the number that the base will have.
                done = self._base if slot in table.lifting else {}
                change = self._column(slot, column, latest, done)
                mended.restore(Changes(columns=(change,)))
        mended.restore(Changes(base=tuple((dict(table.base) | self._base).items())))
        # Nobody knows on which days a right number was counted, nor on which what is said to be of
        # the future.
        days = tuple(
            (day, video, views)
            for day, video, views in table.days
            if video not in self._base and day <= day_at(latest)
        )
        mended.restore(Changes(days=days))
        return mended

    @property
    def _base(self) -> dict[str, int]:
        """The right numbers in the base."""
        return {video: n for (place, video), n in self.numbers.items() if place is None}

    def _stays(self, slot: Slot) -> bool:
        return slot not in self.slots and slot.node not in self.names

    def _maps(self, table: Table, latest: int) -> Changes:
        """The maps, without names that don't belong here, and with no generation of the future."""
        before = table.newest, table.closed, table.folded
        newest, closed, folded = after = Generations(), Generations(), Generations()
        # All slots that are folded are in the base. If nobody knows their generations any more, say
        # that none is later than now.
        if FLOOR in table.newest:
            for each in after:
                each[FLOOR] = _possible(table.newest.floor, latest)
        # Where a map does not list a name, the floor is its value.
        for node in {name for each in before for name in each.names()} - self.names:
            known, gone, lifted = (each[node] for each in before)
            if lifted > latest:
                known = gone = lifted = _possible(lifted, latest)
            if gone > latest:
                # A node closes its earlier slots when it starts. Until then they are not closed.
                gone = lifted
            if known > latest:
                known = max(self._newest_slot(table, node, latest), gone)
            for each, generation in zip(after, (known, gone, lifted), strict=True):
                if generation > NOTHING:
                    each[node] = generation
        lifted_views = {node: n for node, n in table.lifted_views.items() if node not in self.names}
        lifted_views = {node: n for node, n in lifted_views.items() if n <= latest}
        # The first day of a clock that was ahead is too late. The node will choose it anew, or get
        # that of the others.
        ahead = max(table.newest.values(), default=0) > latest
        first_day = 0 if ahead or table.days.first > day_at(latest) else table.days.first
        ids = frozenset(table.ids)
        return Changes(
            (), (), (), newest, closed, folded, lifted_views, ids, table.settled, first_day
        )

    def _newest_slot(self, table: Table, node: str, latest: int) -> int:
        """The highest generation of the name's slots that stay, and are not in the future."""
        slots = [self.renamed.get(slot, slot) for slot in columns_of(table) if self._stays(slot)]
        known = [s.generation for s in slots if s.node == node and s.generation <= latest]
        return max(known, default=0)

    def _column(
        self, slot: Slot, column: Column, latest: int, without: Collection[str]
    ) -> ColumnChange:
        """The rows of a slot that stays, `without` some videos. If it can't have had so many
        changes, it claims none, and so asks the other nodes for all of them."""
        to = self.renamed.get(slot, slot)
        # A slot of the future has to be renamed or dropped anyway.
        most = latest - to.generation if to.generation <= latest else MAX_COUNT
        rows = tuple(
            Row(video, views, seq if seq <= most else 1)
            for video, before, seq in column
            if video not in without
            if (views := self.numbers.get((slot, video), before))
        )
        return ColumnChange(to, column.complete if column.complete <= most else 0, rows)


def _possible(generation: int, latest: int) -> int:
    """A generation, or now if it is in the future."""
    return generation if generation <= latest else latest - AHEAD_US


def columns_of(table: Table) -> dict[Slot, Column]:
    """All slots that are not wholly in the base."""
    return {**table.columns, **table.lifting}
