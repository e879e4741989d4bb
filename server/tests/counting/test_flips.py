"""One flipped bit anywhere in the files of a database: no count is higher than it was, none is
lower unnoticed, and a node that can't go on says what to do.

A count that is too high would spread to every node, and stay for ever. A slot that is claimed
whole, and is not, is never sent again.
"""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import pytest
from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet.table import Table
from ratchet_server.counting.datadir import DATABASE, DataError
from ratchet_server.counting.store import Store
from ratchet_server.counting.transaction import Transaction

from testing.wire import key

# Enough to meet each table, and few enough for every run. Ten thousand were tried, too.
FLIPS: Final = 100
A, B, C, OLD = Slot("a", 5), Slot("b", 7), Slot("c", 9), Slot("old", 1)
VIDEOS: Final = [f"video-{n}" for n in range(250)]
ADVICE: Final = ("Move the file away", "move it away", "choose another --data", "may this user")


# How the node has ended: well, so that one file has everything; or killed. Then a log has
# everything, or the last transactions in the place of older ones, or what the database has, too.
End = Literal["stopped", "killed", "killed-later", "killed-after-a-checkpoint"]


class Kept(NamedTuple):
    """A folder with the files, and what is in them."""

    folder: Path
    table: Table


@pytest.fixture(scope="module", params=get_args(End))
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The files that a node has left."""
    return asyncio.run(keep(tmp_path_factory.mktemp("kept"), request.param))


def test_one_flipped_bit_raises_nothing_and_lowers_nothing_unnoticed(
    kept: Kept, tmp_path: Path
) -> None:
    for number in range(FLIPS):
        flip(kept, tmp_path / "data", random.Random(number))


async def keep(folder: Path, end: End) -> Kept:
    """Make the files."""
    (folder / "used").mkdir()
    path = folder / "used" / DATABASE
    store = await Store.open(path)
    *first, last = history()
    for changes in (*first, None, last):
        if changes is None:
            if end == "killed-later":
                checkpoint(path)
            continue

        def write(transaction: Transaction, changes: Changes = changes) -> None:
            transaction.write(changes)
            transaction.keys.put({key(): "v"}, 2**31)

        await store.commit(write)
    if end == "killed-after-a-checkpoint":
        checkpoint(path)
    if end == "stopped":
        await store.close()
    shutil.copytree(folder / "used", folder / "kept", ignore=shutil.ignore_patterns("*-shm"))
    if end != "stopped":
        await store.close()
    return Kept(folder / "kept", (await load(folder / "used"))[0])


def checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA wal_checkpoint").fetchone()[0] == 0


def history() -> Iterator[Changes]:
    """What a node writes: slots, a fold, half a fold, views of its own."""
    for slot in (OLD, A, B, C):
        for part in range(0, 250, 125):
            rows = [Row(v, n % 7 + 1, part + n) for n, v in enumerate(VIDEOS[part : part + 125], 1)]
            yield Changes((ColumnChange(slot, part + 125, tuple(rows)),))
    yield Changes(newest={"a": 5, "b": 7, "c": 9, "old": 1}, closed={"a": 4, "c": 9, "old": 1})
    last = Lift(OLD, (), last=True)
    yield Changes(lifts=(last,), folded={"old": 1}, lifted_views={"old": 900})
    yield Changes(lifts=(Lift(C, tuple(VIDEOS[:100]), last=False),), folded={"c": 9})
    for seq in range(251, 271):
        yield Changes((ColumnChange(A, seq, (Row(VIDEOS[seq % 13], seq, seq),)),))


async def load(folder: Path) -> tuple[Table, Store]:
    """Read the files as a node does, and mend them. The store is closed."""
    store = await Store.open(folder / DATABASE)
    try:
        table = Table()
        async for part in store.load():
            table.restore(part)
        if store.damage:
            await store.renew(table.everything(1000))
    finally:
        await store.close()
    return table, store


def flip(kept: Kept, folder: Path, chance: random.Random) -> str:
    """Flip one bit in a copy of the files, start from it, and check. Return what became of it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept.folder, folder)
    paths = sorted(folder.iterdir())
    sizes = [path.stat().st_size for path in paths]
    [path] = chance.choices(paths, sizes)
    at, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)
    where = f"bit {bit} of byte {at} of {path.name}"
    try:
        table, store = asyncio.run(load(folder))
    except DataError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert str(folder / DATABASE) in refusal, where
        assert any(advice in refusal for advice in ADVICE), (where, refusal)
        return "refused"
    check(table, kept.table, where, noticed=bool(store.damage or store.warnings))
    if store.damage:
        assert [*folder.glob("ratchet.damaged-*.sqlite")], where
        again, mended = asyncio.run(load(folder))
        assert not mended.damage, (where, mended.damage)
        assert again.fingerprint() == table.fingerprint(), where
        return "mended"
    return "warned" if store.warnings else "harmless"


def check(table: Table, truth: Table, where: str, *, noticed: bool) -> None:
    lower = False
    for video in table.videos() | truth.videos():
        assert table.value(video) <= truth.value(video), f"{where}: {video} is raised"
        assert table.base.views(video) <= truth.base.views(video), f"{where}: {video} is raised"
        lower |= table.value(video) < truth.value(video)
    for slot in truth.columns:
        column, whole = table.columns.get(slot), truth.columns[slot]
        claimed = column.complete if column else 0
        assert claimed <= whole.complete, f"{where}: {slot} claims what never was"
        lower |= claimed < whole.complete
        for row in whole:
            missing = row.seq <= claimed and column and column.views(row.video) != row.views
            assert not missing, f"{where}: {slot} claims a row that is not here: {row}"
    for name in ("newest", "closed", "folded", "lifted_views"):
        lower |= getattr(table, name) != getattr(truth, name)
    assert noticed or not lower, f"{where}: something is lower, and nothing is said"
