"""Stores for tests: what is written into them, read from them, and done to their files."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet_server.counting.store import Store
from ratchet_server.counting.transaction import Transaction

MAX: Final = 2**53 - 1
A: Final = Slot("a", 5)
B: Final = Slot("b", 7)
K, L, M = (f"00000000-0000-4000-8000-00000000000{n}" for n in range(3))
IDS: Final = frozenset({"00000000000000aa", "00000000000000bb"})
WHOLE: Final = Changes(
    columns=(ColumnChange(A, 2, (Row("w", 2, 1), Row("v", 3, 2))),),
    base=(("v", 2),),
    newest={"a": 5},
    closed={"a": 4},
)

Story = Callable[[Store], Awaitable[None]]


def run(path: Path | None, story: Story) -> None:
    """Open the store, run `story` on it, and close it."""

    async def whole() -> None:
        store = await Store.open(path)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


async def write(store: Store, *all_changes: Changes) -> None:
    """Write each of these in a transaction of its own."""
    for changes in all_changes:
        await store.write(changes)


async def read(store: Store) -> Changes:
    """Everything that is in the store, as one `Changes`."""
    uptos: dict[Slot, int] = {}
    rows: dict[Slot, list[Row]] = {}
    base: list[tuple[str, int]] = []
    days: list[tuple[int, str, int]] = []
    first_day = 0
    maps: list[dict[str, int]] = [{}, {}, {}, {}]
    async for part in store.load():
        for slot, upto, some in part.columns:
            uptos[slot] = max(upto, uptos.get(slot, 0))
            rows.setdefault(slot, []).extend(some)
        base += part.base
        days += part.days
        first_day = max(first_day, part.first_day)
        for known, entries in zip(maps, maps_of(part), strict=True):
            known.update(entries)
    columns = tuple(ColumnChange(slot, uptos[slot], tuple(rows[slot])) for slot in sorted(uptos))
    return Changes(
        columns,
        tuple(sorted(base)),
        (),
        newest=maps[0],
        closed=maps[1],
        folded=maps[2],
        lifted_views=maps[3],
        first_day=first_day,
        days=tuple(sorted(days)),
    )


def maps_of(changes: Changes) -> tuple[Mapping[str, int], ...]:
    """The four maps of the cluster, in their order."""
    return changes.newest, changes.closed, changes.folded, changes.lifted_views


def column(slot: Slot, upto: int, *rows: tuple[str, int, int]) -> Changes:
    """Rows of one slot, as (video, views, seq)."""
    return Changes(columns=(ColumnChange(slot, upto, tuple(Row(*row) for row in rows)),))


def whole(slot: Slot) -> Lift:
    """A lift of all rows of the slot at once."""
    return Lift(slot, (), last=True)


def spoil(path: Path, script: str) -> None:
    """Change the file behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(script)


async def renewed(store: Store, changes: Changes) -> Path:
    """Have the store write `changes` into a new file. Return where the old one is."""
    old = await store.renew([changes])
    assert old
    return old


async def identity(store: Store) -> tuple[frozenset[str], bool]:
    """The ids of the cluster, and whether it is settled."""
    parts = [part async for part in store.load()]
    return frozenset().union(*(part.ids for part in parts)), any(part.settled for part in parts)


async def use_all_of(store: Store) -> None:
    """Touch every table and index."""
    await read(store)
    await write(store, column(B, 1, ("v", 2, 1)))

    def use(transaction: Transaction) -> None:
        transaction.keys.find([K])
        transaction.keys.drop(1)
        transaction.keys.put({K: "v"}, 1)
        transaction.keys.find([K])

    await store.commit(use)
