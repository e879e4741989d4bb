"""`ratchet backup` and `ratchet check`: a copy of a node's data, and what such a file has."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory, mkstemp
from typing import Final

from ratchet.table import Table

from ratchet_server.client import Client
from ratchet_server.counting import files
from ratchet_server.counting.contents import contents
from ratchet_server.counting.copying import copy, reading
from ratchet_server.counting.datadir import DATABASE, DataError
from ratchet_server.counting.failures import UNREADABLE, in_words, is_no_database
from ratchet_server.counting.store import Store
from ratchet_server.operator.terminal import note, progress
from ratchet_server.output import answer, say

# What a download has until it is whole.
PART: Final = ".part"


class BackupError(Exception):
    """There is no backup, or it is not good. The message says why."""


def backup(node: Client, file: Path) -> None:
    """Write all that `node` has on disk to a new file, and check it. Raises `BackupError` and
    `CallError`."""
    if os.path.lexists(file):
        raise BackupError(f"{file} exists already; name a new file")
    try:
        # Only this user may read it, and no other backup writes it.
        opened, name = mkstemp(prefix=f"{file.name}.", suffix=PART, dir=file.parent)
    except OSError as error:
        raise BackupError(f"can't write {file}: {error.strerror}") from None
    part = Path(name)
    try:
        with os.fdopen(opened, "wb") as writing:
            note(f"Waiting until {node.url} has copied its data ...")
            node.backup(writing, progress)
            os.fsync(writing.fileno())
        # Where there is room for one copy there may be room for two: more than in a folder for
        # temporary files, which is often in memory.
        lines = _lines_of(part, beside=file.parent)
        part.rename(file)
        files.sync(file.parent)
    except OSError as error:
        raise BackupError(f"can't write {part}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    say(f"{file} has {file.stat().st_size:,} bytes:\n{lines}")


def check(file: Path) -> None:
    """Print what a backup has, or the database of a node, which may be running. Raises
    `BackupError` if anything is damaged, and `OutputError`."""
    try:
        lines = _lines_of(file)
    except OSError as error:
        raise BackupError(
            f"can't copy {file} to a folder for temporary files: {error.strerror}; set TMPDIR to "
            "one with room"
        ) from None
    answer(f"{file} is whole:\n{lines}")


def _lines_of(file: Path, *, beside: Path | None = None) -> str:
    """`beside`: where a copy may lie meanwhile; by default in the folder for temporary files."""
    # Not `exists`: to open a pipe would wait for a writer.
    if not file.is_file():
        raise BackupError(f"there is no file {file}")
    with TemporaryDirectory(prefix="ratchet-", dir=beside) as folder:
        # Work on a copy, because to open a database may change it. (And this copies what a running
        # node has in its log.)
        path = Path(folder) / DATABASE
        try:
            _check_structure(file)
            copy(file, path)
            if not _has_tables(path):
                # To open it would make them.
                raise BackupError(f"{file} is empty: it has no data of a node")
            table, damage = asyncio.run(_read(path))
        except (OSError, *UNREADABLE) as error:
            if is_no_database(error):
                raise BackupError(f"{file} is not a database") from None
            raise BackupError(f"can't read {file}: {in_words(error)}") from None
        except DataError as error:
            raise BackupError(str(error).replace(str(path), str(file))) from None
    if damage:
        raise BackupError(f"{file} is damaged: {'; '.join(damage)}")
    return "\n".join(contents(table))


def _check_structure(file: Path) -> None:
    """Raises `BackupError` if SQLite finds a fault. The copy would not have it: a copy gets new
    indexes and pages."""
    with reading(file) as database:
        # A fault may quote bytes that are no text any more.
        database.text_factory = lambda raw: raw.decode(errors="backslashreplace")
        [(fault,)] = database.execute("PRAGMA integrity_check(1)")
    if fault != "ok":
        raise BackupError(f"{file} is damaged: {fault}")


def _has_tables(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as database:
        return bool(database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


async def _read(path: Path) -> tuple[Table, list[str]]:
    store = await Store.open(path)
    try:
        table = Table()
        async for part in store.load():
            table.restore(part)
        return table, store.damage
    finally:
        await store.close()
