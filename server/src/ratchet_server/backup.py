"""`ratchet backup` and `ratchet check`: a copy of a node's data, and what such a file has."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ratchet.table import Table

from ratchet_server.counting.contents import contents
from ratchet_server.counting.copying import copy
from ratchet_server.counting.datadir import DATABASE, DataError
from ratchet_server.counting.failures import in_words
from ratchet_server.counting.store import Store
from ratchet_server.operator.client import Client
from ratchet_server.output import answer, say

# What a download has until it is whole.
PART: Final = ".part"


class BackupError(Exception):
    """There is no backup, or it is not good. The message says why."""


def backup(node: Client, file: Path) -> None:
    """Write all that `node` has on disk to a new file, and check it. Raises `BackupError` and
    `CallError`."""
    if file.exists():
        raise BackupError(f"{file} exists already; name a new file")
    part = file.with_name(file.name + PART)
    try:
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise BackupError(f"can't write {part}: {error.strerror}") from None
    try:
        with os.fdopen(opened, "wb") as writing:
            node.download("/api/node/backup", writing)
            os.fsync(writing.fileno())
        lines = _lines_of(part)
        part.rename(file)
    except OSError as error:
        raise BackupError(f"can't write {part}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    say(f"{file} has {file.stat().st_size:,} bytes:\n{lines}")


def check(file: Path) -> None:
    """Print what a backup has, or the database of a node, which may be running. Raises
    `BackupError` if anything is damaged, and `OutputError`."""
    answer(f"{file} is whole:\n{_lines_of(file)}")


def _lines_of(file: Path) -> str:
    with TemporaryDirectory(prefix="ratchet-") as folder:
        # Work on a copy, because to open a database may change it. (And this copies what a running
        # node has in its log.)
        path = Path(folder) / DATABASE
        try:
            copy(file, path)
            if not _has_tables(path):
                # To open it would make them.
                raise BackupError(f"{file} is empty: it has no data of a node")
            table, damage = asyncio.run(_read(path))
        except FileNotFoundError:
            raise BackupError(f"there is no file {file}") from None
        except (OSError, sqlite3.Error) as error:
            raise BackupError(f"can't read {file}: {in_words(error)}") from None
        except DataError as error:
            raise BackupError(str(error).replace(str(path), str(file))) from None
    if damage:
        raise BackupError(f"{file} is damaged: {'; '.join(damage)}")
    return "\n".join(contents(table))


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
