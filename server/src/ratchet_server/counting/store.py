"""What is on disk: one SQLite file, one connection, one writer.

Once `commit` has returned, no crash of the process or the machine can lose what it wrote. If it
raises instead, it has written nothing. Only the keeper writes, so nothing here takes a lock.

SQLAlchemy opens the file, sets up the one connection, and makes or checks the tables. Rows bypass
it, straight through aiosqlite's connection: SQLAlchemy's adapter makes three or four trips to the
database thread for each statement, aiosqlite makes one. With the adapter, reading a million videos
took 6.4 s instead of 4. A whole transaction makes one trip, however many statements it has.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import aiosqlite
from ratchet.changes import Changes
from ratchet.slot import Slot
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ratchet_server.counting import files, schema
from ratchet_server.counting.checksum import crc, intact
from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.failures import (
    UNREADABLE,
    StoreFullError,
    StoreLostError,
    damaged,
    in_words,
    is_no_room,
    nothing_written,
)
from ratchet_server.counting.keys import Group, Keys, all_counted, all_groups
from ratchet_server.counting.reading import Reading
from ratchet_server.counting.transaction import Transaction
from ratchet_server.crash_points import reached

# How many groups of keys one transaction copies into a new file.
_GROUPS_AT_ONCE: Final = 1000
# How many keys `counted_keys` reads at once.
_KEYS_AT_ONCE: Final = 8000

_Result = TypeVar("_Result")


class Store:
    """An open database."""

    def __init__(self, path: Path | None) -> None:
        """Use `Store.open`."""
        self._path = path
        self._where = "memory" if path is None else str(path)
        self._slot_ids: dict[Slot, int] = {}
        # `_connect` sets these.
        self._engine: AsyncEngine
        self._connection: AsyncConnection
        self._driver: aiosqlite.Connection
        self._keys: Keys
        # No other program can open the file meanwhile: see `_connect`.
        self._exclusive = False
        # The files, once they are open; None in memory.
        self._watch: files.Watch | None = None
        # What a transaction has found wrong with them.
        self._broken: str | None = None
        # The version of the tables.
        self._version = schema.SAME_TABLES
        # See `Transaction`.
        self._drop_before = 0
        # What `load` has found damaged, in words.
        self.damage: list[str] = []
        # Whether some ids of the cluster are among that.
        self.has_lost_ids = False
        # What else an operator should know of it.
        self.warnings: list[str] = []

    @classmethod
    async def open(cls, path: Path | None) -> "Store":
        """Open the database at `path`, and make it if it isn't there. None: in memory only.

        Raises `DataError` if the file is no database of Ratchet, or one of another version.
        """
        store = cls(path)
        if path is not None:
            try:
                # An earlier process has ended just then.
                files.replace(path, _aside("damaged"))
            except OSError as error:
                raise DataError(f"can't replace {path}: {error.strerror}") from None
            if files.is_lost(path):
                # SQLite would delete the log.
                raise damaged(str(path), f"its log is there, {path.name}{files.LOG}, and it isn't")
            # SQLite gives the files beside it the same rights.
            with suppress(OSError):
                os.close(os.open(path, os.O_CREAT, 0o600))
        await store._connect()
        return store

    async def load(self) -> AsyncIterator[Changes]:
        """Read everything back that is surely as it was written, part by part. Call it first.

        Every row that passes its checksum is a fact, and merging facts is always right. A slot with
        damaged or missing rows claims nothing, so peers send all of it again. A damaged base is
        not the same as theirs, so they send that, too. `damage` then says what was found. If it
        says anything, or the file `is_old`, call `renew` before anything is written.

        Raises `DataError` where there is nothing to go on with: without the maps, a slot that is in
        the base already could come back, and count twice.
        """
        await self._check_log()
        reading = Reading(self._driver, self._where, is_old=self.is_old)
        self.damage = reading.damage
        async for part in reading.everything():
            yield part
        self._slot_ids |= reading.slot_ids
        self.has_lost_ids = reading.has_lost_ids
        if self.is_old:
            return
        try:
            await self._run(self._keys.load)
        except UNREADABLE:
            self.damage.append("the keys of views: some can't be read")

    @property
    def keys(self) -> int:
        """How many keys it holds, once it is loaded."""
        return len(self._keys)

    async def last_expiry_s(self) -> int | None:
        """When the key expires that expires last; None if there is none, or it can't be read."""
        try:
            return await self._run(self._keys.last_expiry_s)
        except UNREADABLE:
            return None

    async def known_keys(self, keys: Sequence[str], now_s: int) -> dict[str, str | None]:
        """The video of each of `keys` that is held and has not expired; None if it is promised.

        It stays true until the next transaction that puts or drops keys. If no key has come before,
        this reads no disk. Raises as `commit` does.
        """
        if not self._keys.may_hold(keys):
            return {}
        found = await self.commit(lambda transaction: transaction.keys.find(keys, now_s))
        return {key: held.video for key, held in found.items()}

    async def counted_keys(self) -> AsyncGenerator[dict[str, str], None]:
        """The keys that have counted, with their videos, in parts; the newest first. Others may
        write meanwhile. Raises `DataError` where they can't be read."""
        parts = all_counted(self._database, _KEYS_AT_ONCE)
        try:
            while (part := await self._run(lambda: next(parts, None))) is not None:
                yield part
        except UNREADABLE as error:
            raise DataError(f"can't read the keys in {self._where}: {in_words(error)}") from error

    async def fault(self) -> str | None:
        """Whether something has happened to the files since they were opened, and what. They are
        then of no use to the next process, whatever is written to them now: call `renew`."""
        watch = self._watch
        if watch is None or self._broken:
            return self._broken
        if fault := await asyncio.to_thread(watch.fault):
            return fault
        if watch.log_is_shorter():
            self._broken = await self._log_is_cut(watch)
        return self._broken

    @property
    def is_old(self) -> bool:
        """Whether an earlier version of the program has written the file."""
        return self._version < schema.SAME_TABLES

    async def renew(
        self, everything: Iterable[Changes], why: str | None = None, *, needs_keys: bool = False
    ) -> Path | None:
        """Write `everything` into a new file, with the keys of the old one, and go on with that.
        Return where the old file is now, if it is anywhere. `why` is a part of its name.
        `needs_keys`: whether keys that can't be read are a reason not to.

        Raises `NothingWritten`; then the old file is where it was. Raises `DataError`.
        """
        assert self._path
        try:
            fresh_path = files.new(self._path)
            fresh = await Store.open(fresh_path)
        except (OSError, DataError) as error:
            with suppress(OSError):
                files.new(self._path)
            raise StoreLostError(str(error)) from None
        try:
            # First: they may be missing, and everything may be large.
            await self._copy_keys(fresh, needs_keys=needs_keys)
            for changes in everything:
                await fresh.write(changes)
        except BaseException:
            await fresh.close()
            # On a full disk, an unfinished file would be in its own way.
            files.new(self._path)
            raise
        await fresh.close()
        if files.beside(fresh_path, files.LOG).exists():
            # SQLite deletes it once everything that it holds is in the database.
            files.new(self._path)
            raise StoreFullError
        aside = _aside(why or (f"version-{self._version}" if self.is_old else "damaged"))
        # SQLite deletes the log of a file that it closes, by its name: close the old one first.
        with suppress(sqlite3.Error, DBAPIError):
            await self.close()
        try:
            files.finished(self._path, fresh_path)
            old = files.replace(self._path, aside)
        except OSError as error:
            raise DataError(f"can't replace {self._where}: {error.strerror}") from None
        self._slot_ids.clear()
        self._broken = None
        await self._connect()
        with suppress(*UNREADABLE):
            await self._run(self._keys.load)
        return old

    async def commit(self, work: Callable[[Transaction], _Result]) -> _Result:
        """Run `work` in the thread of the database, as one transaction. When this returns, all that
        it wrote is on disk; if this raises, nothing of it is.

        Raises `NothingWritten` when the database takes nothing now, and may take it later. Raises
        `DataError` when the disk fails so that nobody knows what is on it: then the process must
        end, and the next one reads it again. If the caller is cancelled, `work` still ends, well or
        not.
        """
        if self._watch and self._watch.log_is_shorter():
            self._broken = self._broken or await self._log_is_cut(self._watch)
        if self._broken:
            raise StoreLostError(self._broken)
        result: _Result = await self._run(partial(self._transact, work))
        if self._exclusive:
            # There is room again.
            await self.close()
            await self._connect()
        return result

    async def write(self, changes: Changes) -> None:
        """`commit` these changes, and nothing else."""
        await self.commit(lambda transaction: transaction.write(changes))

    def _transact(self, work: Callable[[Transaction], _Result]) -> _Result:
        """`commit`, in the thread of the database."""
        database, keys = self._database, self._keys
        committing = False
        keys.begin()
        try:
            # IMMEDIATE, because a transaction reads first and writes later. If another program
            # wrote in between, the write would fail at once, whatever the busy_timeout.
            database.execute("BEGIN IMMEDIATE")
            transaction = Transaction(database, self._slot_ids, self._drop_before, keys)
            result = work(transaction)
            if transaction.lifted:
                reached("fold-half-written")
            committing = True
            database.execute("COMMIT")
        except BaseException as error:
            # The rollback may undo slots whose ids this transaction has learned.
            self._slot_ids.clear()
            keys.rolled_back()
            with suppress(sqlite3.Error):
                database.rollback()
            if not isinstance(error, UNREADABLE):
                raise
            if (why := nothing_written(error, committing=committing)) is not None:
                if isinstance(why, StoreLostError):
                    self._broken = str(why)
                raise why from None
            raise DataError(f"can't write to {self._where}: {in_words(error)}") from error
        self._drop_before = transaction.drop_before
        return result

    @property
    def _database(self) -> sqlite3.Connection:
        """The connection itself. Only the thread of the database may use it."""
        return self._driver._conn

    async def _run(self, function: Callable[[], _Result]) -> _Result:
        """Run `function` in the thread of the database, in one trip. (aiosqlite itself makes each
        of its calls so; it has no public name for that.)"""
        driver = cast(Any, self._driver)
        return cast(_Result, await driver._execute(function))

    async def close(self) -> None:
        """Close the file."""
        await self._connection.close()
        await self._engine.dispose()

    async def _connect(self) -> None:
        """Open the file so that other programs can read it, too: for a backup, for example.

        All programs that use a file share an index of its log, and on a full disk SQLite can't make
        that index. So try again with an index in memory, which locks out all others. Reads then go
        on, and the first transaction that there is room for opens the file anew.
        """
        self._exclusive = False
        try:
            try:
                await self._connect_once()
            except sqlite3.Error as error:
                if self._path is None or not is_no_room(error):
                    raise
                self._exclusive = True
                await self._connect_once()
        except UNREADABLE as error:
            raise DataError(f"can't use {self._where}: {in_words(error)}") from None

    async def _connect_once(self) -> None:
        path = self._path
        # One connection: SQLite before 3.51.3 can corrupt a WAL that two connections reset, and one
        # writer needs no second.
        options: dict[str, Any] = {} if path is None else {"pool_size": 1, "max_overflow": 0}
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path or ':memory:'}", **options)
        event.listen(self._engine.sync_engine, "connect", _prepare(exclusive=self._exclusive))
        event.listen(self._engine.sync_engine, "begin", _begin)
        try:
            if path is not None:
                # A file that can't be opened must fail here, and not in aiosqlite's thread. That
                # thread outlives the failure, and prints a traceback once the event loop is gone.
                sqlite3.connect(path).close()
            self._connection = await self._engine.connect()
            try:
                self._version = await _make_or_check(self._connection, self._where)
                raw = await self._connection.get_raw_connection()
                self._driver = cast(aiosqlite.Connection, raw.driver_connection)
                await self._driver.execute_fetchall(schema.JOURNAL)
                self._keys = Keys(self._database)
                self._watch = files.Watch(path) if path else None
            except BaseException:
                await self._connection.close()
                raise
        except BaseException as error:
            await self._engine.dispose()
            if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
                raise error.orig from None
            raise

    async def _log_is_cut(self, watch: files.Watch) -> str | None:
        """`log_is_shorter`: has another program emptied it, or was it cut?"""
        frames = await self._frames_in_log()
        if frames is None or not watch.log_has(frames):
            return f"{self._where}{files.LOG} has been cut short"
        return None

    async def _frames_in_log(self) -> int | None:
        """How many frames of the log SQLite uses; None if it can't use the log. As there is no
        other way to ask, SQLite also moves them into the database."""
        try:
            [(_, frames, _)] = await self._driver.execute_fetchall(schema.CHECKPOINT)
        except UNREADABLE:
            return None
        return cast(int, frames)

    async def _check_log(self) -> None:
        if self._path is None:
            return
        used = await self._frames_in_log()
        # -1: there is no log, or another program is moving it just now.
        if used is None or used < 0:
            return
        if await asyncio.to_thread(files.log_is_cut_short, self._path, used):
            self.warnings.append(
                f"the end of {self._where}{files.LOG} fails its checksums, and is left out. If the "
                "machine has lost its power, that is a write for which nobody had an answer yet. "
                "Otherwise the last views before the stop are missing here; the peers send those "
                "that they have"
            )

    async def _copy_keys(self, to: "Store", *, needs_keys: bool) -> None:
        groups = all_groups(self._database, is_old=self.is_old)
        try:
            while part := await self._run(lambda: [*islice(groups, _GROUPS_AT_ONCE)]):
                await to.commit(partial(_put_all, groups=part))
        except UNREADABLE as error:
            if needs_keys:
                raise StoreLostError(f"the Idempotency-Keys can't be read: {error}") from None
            self.warnings.append(
                "some Idempotency-Keys can't be read: a view that is sent again with such a key "
                "counts twice"
            )


def _put_all(transaction: Transaction, groups: Iterable[Group]) -> None:
    for group in groups:
        transaction.keys.put(*group)


async def _make_or_check(connection: AsyncConnection, where: str) -> int:
    """Make the tables in an empty file. Return the version of the tables. Raises `DataError` if the
    file isn't ours, or if its tables are not as we make them."""
    async with connection.begin():
        application = await connection.scalar(text("PRAGMA application_id"))
        version = await connection.scalar(text("PRAGMA user_version"))
        tables = await connection.scalar(text("SELECT count(*) FROM sqlite_schema"))
        if tables == 0:
            for statement in chain(schema.TABLES, *schema.LATER_TABLES):
                await connection.exec_driver_sql(statement)
            await connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            await connection.exec_driver_sql(f"PRAGMA user_version = {schema.SAME_TABLES}")
        elif application != schema.APPLICATION_ID:
            raise DataError(f"{where} is a database of another program; choose another --data")
        elif not 1 <= cast(int, version) <= schema.VERSION:
            raise DataError(
                f"{where} has version {version}, but this program knows only {schema.VERSION}: a "
                "newer program wrote it. Start that program, or choose another --data"
            )
        elif cast(int, version) >= schema.SAME_TABLES:
            there = {*await connection.scalars(text(schema.TABLES_IN_FILE))}
            groups, made = (schema.TABLES, *schema.LATER_TABLES), set[str]()
            for at, group in enumerate(groups, 1):
                made |= {each for each in group if each.startswith("CREATE")}
                if there == made:
                    for statement in chain(*groups[at:]):
                        await connection.exec_driver_sql(statement)
                    break
            else:
                if not made <= there:
                    raise damaged(where, "its tables are not as they were made")
    return cast(int, version) if tables else schema.SAME_TABLES


def _aside(why: str) -> str:
    """The name of an old file: nothing has it already."""
    now_s = time.time()
    return (
        f"{why}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now_s))}-{int(now_s * 1000) % 1000:03}"
    )


def _prepare(*, exclusive: bool) -> Callable[[Any, object], None]:
    def prepare(connection: Any, _record: object) -> None:
        # Keep the driver from beginning transactions by itself: `_begin` does that.
        connection.isolation_level = None
        connection.create_function("crc", -1, crc, deterministic=True)
        connection.create_function("intact", -1, intact, deterministic=True)
        cursor = connection.cursor()
        if exclusive:
            cursor.execute(schema.EXCLUSIVE)
        for statement in schema.CONNECTION:
            cursor.execute(statement)
        cursor.close()

    return prepare


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
