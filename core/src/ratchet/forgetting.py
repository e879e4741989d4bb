"""Forgetting: when names that have gone leave the maps, and a floor stands for all of them.

A name has gone when all of its slots are folded. Then nobody counts under it, and nobody needs rows
of it. A floor (see `generations`) says as much of it as its own entries do, and also of all other
names that have gone. Names that have not gone are listed, so a long-lived node with a generation
below the floor is an exception to it. A replica raises the floor by joining such maps, and the
others join them like any other news.

A floor is a fold, so nothing counts twice: browsers and nodes lift what it covers, however old they
are. But it also folds the slots of names that nobody here knows, and what was counted there may be
lost. So the floor rises only while all members are connected and have just said which names they
know; and only up to a slot that is older than the *retention*. Whoever started before that has been
in sight of the cluster since, and its name is known and listed.

This leaves a process that was never in sight of the cluster for the whole retention: it was alone,
or with others that were retired by mistake, or its clock was that slow. When it meets the cluster,
it goes on in a new slot, and reports how many views may be lost.
"""

from collections.abc import Collection
from typing import NamedTuple

from ratchet.generations import FLOOR, Generations
from ratchet.table import Table


class Maps(NamedTuple):
    """The maps of a table, to be joined."""

    newest: Generations
    closed: Generations
    folded: Generations


def gone(table: Table, latest: int) -> list[str]:
    """The names that have gone, and whose last slot has a generation up to `latest`. The names of
    imports stay."""
    newest, folded = table.newest, table.folded
    return [node for node in table.nodes() if newest[node] == folded[node] <= latest]


def without(table: Table, names: Collection[str]) -> Maps:
    """The maps of `table` with a floor instead of these names, which have gone."""
    newest, forgotten = table.newest, set(names)
    floor = max([newest.floor, *(newest[node] for node in names)])
    listed = [node for node in newest.names() if node not in forgotten]
    # A name whose last slot is just at the floor would not be listed, as if it had gone.
    taken = {newest[node] for node in listed}
    while floor in taken:
        floor += 1

    def raised(generations: Generations) -> Generations:
        # Generation 0 is below every slot: nothing of that name is closed, or folded.
        return Generations({FLOOR: floor} | {node: max(generations[node], 0) for node in listed})

    return Maps(raised(newest), raised(table.closed), raised(table.folded))
