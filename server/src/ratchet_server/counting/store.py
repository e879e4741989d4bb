"""What is on disk: one SQLite file, one connection, one writer.

Once `transaction()` has ended, no crash of the process or the machine can lose what it wrote. If it
raises instead, it has written nothing. Only the keeper writes, so nothing here takes a lock.

SQLAlchemy opens the file, sets up the one connection, and makes or checks the tables. Rows bypass
it, straight through aiosqlite's connection: SQLAlchemy's adapter makes three or four trips to the
database thread for each statement, aiosqlite makes one. With the adapter, a commit cost 1.1 ms of
processor time instead of 0.3, and reading a million videos took 6.4 s instead of 4.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast
from zlib import crc32

import aiosqlite
from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Row
from ratchet.slot import Slot
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ratchet_server.counting import schema
from ratchet_server.counting.datadir import DataError
from ratchet_server.crash_points import reached

# How many rows one read fetches: enough to be fast, few enough to let other tasks run in between.
_ROWS_PER_READ: Final = 20_000


class StoreFullError(Exception):
    """The disk has no room for a transaction. Nothing of it is on disk."""


class Store:
    """An open database."""

    def __init__(
        self,
        engine: AsyncEngine,
        connection: AsyncConnection,
        driver: aiosqlite.Connection,
        where: str,
    ) -> None:
        """Use `Store.open`."""
        self._engine = engine
        self._connection = connection
        self._driver = driver
        self._where = where
        self._slot_ids: dict[Slot, int] = {}

    @classmethod
    async def open(cls, path: Path | None) -> "Store":
        """Open the database at `path`, and make it if it isn't there. None: in memory only.

        Raises `DataError` if the file is no database of Ratchet, or one of another version.
        """
        where = "memory" if path is None else str(path)
        # Only one connection: SQLite before 3.51.3 can corrupt a WAL that two connections reset.
        # One writer needs no second connection anyway.
        options: dict[str, Any] = {} if path is None else {"pool_size": 1, "max_overflow": 0}
        engine = create_async_engine(f"sqlite+aiosqlite:///{path or ':memory:'}", **options)
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        try:
            if path is not None:
                # If the file can't be opened, fail here. aiosqlite's thread would outlive that
                # failure, and print a traceback once the event loop is gone.
                sqlite3.connect(path).close()
            connection = await engine.connect()
            try:
                await _make_or_check(connection, where)
                raw = await connection.get_raw_connection()
                driver = cast(aiosqlite.Connection, raw.driver_connection)
                await driver.execute(schema.JOURNAL)
                return cls(engine, connection, driver, where)
            except BaseException:
                await connection.close()
                raise
        except BaseException as error:
            await engine.dispose()
            reason = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(reason, sqlite3.Error):
                raise DataError(f"can't use {where}: {_reason(reason)}") from None
            raise

    async def load(self) -> AsyncIterator[Changes]:
        """Read everything back, part by part. Raises `DataError` if a row fails its checksum."""
        maps: dict[str, dict[str, int]] = {kind: {} for kind in schema.KINDS}
        async for part in self._read(schema.GENERATIONS):
            for kind, node, generation in part:
                maps[kind][node] = generation
        newest, closed, folded, lifted = maps.values()
        yield Changes(newest=newest, closed=closed, folded=folded, lifted_views=lifted)
        slots = [row async for part in self._read(schema.SLOTS) for row in part]
        for slot_id, node, generation, complete in slots:
            slot = Slot(node, generation)
            self._slot_ids[slot] = slot_id
            async for part in self._read(schema.ROWS, slot_id):
                rows = tuple(Row(*row) for row in part)
                yield Changes(columns=(ColumnChange(slot, 0, rows),))
            # Claim to be complete only now, with all the rows read.
            yield Changes(columns=(ColumnChange(slot, complete, ()),))
        async for part in self._read(schema.BASE):
            yield Changes(base=tuple((video, views) for video, views in part))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """A transaction. At its end, either all that it wrote is on disk, or nothing of it.

        Raises `StoreFullError` if the disk has no room. Raises `DataError` if the disk fails and
        nobody knows what is on it: then the process must end, and its next start reads it again.
        """
        try:
            # IMMEDIATE, because a transaction reads first and writes later. If another program
            # wrote in between, the write would fail at once, whatever the busy_timeout.
            await self._driver.execute("BEGIN IMMEDIATE")
            transaction = Transaction(self._driver, self._slot_ids)
            yield transaction
            if transaction.lifted:
                reached("fold-half-written")
            await self._driver.execute("COMMIT")
        except BaseException as error:
            # The rollback may undo slots whose ids this transaction has learned.
            self._slot_ids.clear()
            with suppress(sqlite3.Error):
                await self._driver.rollback()
            if not isinstance(error, sqlite3.Error):
                raise
            if _code(error) == sqlite3.SQLITE_FULL:
                raise StoreFullError from None
            raise DataError(f"can't write to {self._where}: {_reason(error)}") from error

    async def close(self) -> None:
        """Close the file."""
        await self._connection.close()
        await self._engine.dispose()

    async def _read(self, query: str, *values: int) -> AsyncIterator[list[tuple[Any, ...]]]:
        try:
            async with self._driver.execute(query, values) as cursor:
                while part := list(await cursor.fetchmany(_ROWS_PER_READ)):
                    if not all(row[-1] for row in part):
                        raise DataError(
                            f"{self._where} is damaged: a row fails its checksum. Move the file "
                            "away and start again: the peers send back everything that they have"
                        )
                    yield [row[:-1] for row in part]
        except sqlite3.Error as error:
            raise DataError(f"can't read {self._where}: {_reason(error)}") from None


class Transaction:
    """The writes of one transaction."""

    def __init__(self, driver: aiosqlite.Connection, ids: dict[Slot, int]) -> None:
        """Use `Store.transaction`."""
        self._driver = driver
        self._slot_ids = ids
        self.lifted = False

    async def known_keys(self, keys: Iterable[str], now_s: int) -> Mapping[str, str]:
        """The video of each of `keys` that the store remembers."""
        values = (json.dumps(list(keys)), now_s)
        found = await self._driver.execute_fetchall(schema.KNOWN_KEYS, values)
        return {row[0]: row[1] for row in found}

    async def remember_keys(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> None:
        """Remember each key with its video until `expires_s`, and forget some expired keys."""
        await self._execute_many(
            schema.PUT_KEY, [(key, video, expires_s) for key, video in keys.items()]
        )
        await self._driver.execute(schema.DROP_KEYS, (now_s,))

    async def write(self, changes: Changes) -> None:
        """Write `changes`, in the order that `Changes` documents."""
        for slot, complete, rows in changes.columns:
            await self._driver.execute(schema.PUT_SLOT, (*slot, complete))
            slot_id = await self._slot_id(slot)
            await self._execute_many(schema.PUT_ROW, [(slot_id, *row) for row in rows])
        await self._execute_many(schema.PUT_BASE, changes.base)
        for lift in changes.lifts:
            await self._lift(lift)
        maps = (changes.newest, changes.closed, changes.folded, changes.lifted_views)
        entries = [
            (kind, *entry)
            for kind, entries in zip(schema.KINDS, maps, strict=True)
            for entry in entries.items()
        ]
        await self._execute_many(schema.PUT_GENERATION, entries)

    async def _lift(self, lift: Lift) -> None:
        slot_id = await self._slot_id(lift.slot)
        if slot_id is None:
            return
        self.lifted = True
        which: str = ""
        values: list[str | int] = [slot_id]
        if not lift.last:
            which, values = schema.IN_LIST, [slot_id, json.dumps(lift.videos)]
        for statement in (schema.LIFT, schema.DROP_ROWS):
            await self._driver.execute(statement.format(which=which), values)
        if lift.last:
            await self._driver.execute(schema.DROP_SLOT, (slot_id,))
            del self._slot_ids[lift.slot]

    async def _slot_id(self, slot: Slot) -> int | None:
        if slot not in self._slot_ids:
            for row in await self._driver.execute_fetchall(schema.SLOT_ID, tuple(slot)):
                self._slot_ids[slot] = row[0]
        return self._slot_ids.get(slot)

    async def _execute_many(self, statement: str, values: Sequence[tuple[Any, ...]]) -> None:
        if values:
            await self._driver.executemany(statement, values)


async def _make_or_check(connection: AsyncConnection, where: str) -> None:
    """Make the tables in an empty file. Raises `DataError` if the file isn't ours."""
    async with connection.begin():
        application = await connection.scalar(text("PRAGMA application_id"))
        version = await connection.scalar(text("PRAGMA user_version"))
        tables = await connection.scalar(text("SELECT count(*) FROM sqlite_schema"))
        if tables == 0:
            for statement in schema.TABLES:
                await connection.exec_driver_sql(statement)
            await connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            await connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")
        elif application != schema.APPLICATION_ID:
            raise DataError(f"{where} is a database of another program; choose another --data")
        elif version != schema.VERSION:
            raise DataError(
                f"{where} has version {version}, but this program knows only {schema.VERSION}: a "
                "newer program wrote it. Start that program, or choose another --data"
            )


def _prepare(connection: Any, _record: object) -> None:
    # Keep the driver from beginning transactions by itself: `_begin` does that.
    connection.isolation_level = None
    connection.create_function("crc", -1, _crc, deterministic=True)
    cursor = connection.cursor()
    for statement in schema.CONNECTION:
        cursor.execute(statement)
    cursor.close()


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _crc(*values: str | int) -> int:
    return crc32(repr(values).encode())


def _code(error: BaseException | None) -> int | None:
    return getattr(error, "sqlite_errorcode", None)


def _reason(error: BaseException | None) -> str:
    if _code(error) in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return f"{error} (is this user allowed to write there?)"
    if _code(error) == sqlite3.SQLITE_NOTADB:
        return "it is not a database; move it away, or choose another --data"
    return str(error)
