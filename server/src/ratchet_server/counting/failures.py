"""What it means when the database fails: what is written, and what an operator can do."""

import sqlite3
from typing import Final

from ratchet_server.counting.datadir import DataError

# The errors of reading what is damaged. The driver decodes SQLite's messages, too.
UNREADABLE: Final = (sqlite3.Error, UnicodeError)

# The errors of a full disk, a quota, and an index of the log that can't be made on a full disk.
_NO_ROOM: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
)
# The errors of a file that was damaged or cut short.
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR})
_PEERS: Final = "the peers send everything back that they have"


class NothingWritten(Exception):
    """The database takes no transaction just now. SQLite has surely written nothing of it."""


class StoreFullError(NothingWritten):
    """The disk has no room for a transaction, or its quota is used up."""


class StoreLockedError(NothingWritten):
    """Another program has locked the database for longer than we wait."""


class StoreLostError(NothingWritten):
    """The files are not what was written to them any more. The message says what has happened."""


def nothing_written(error: BaseException, *, committing: bool) -> NothingWritten | None:
    """What a failed transaction means, if nothing of it can ever be on disk."""
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError()
    # SQLite takes the error of a quota for a fault of the disk. The last thing that it writes of
    # a transaction makes the transaction valid, so a transaction with a failed *write* is void,
    # also to a process that reads the file after a crash. (After a failed *sync* it may be valid.)
    if code == sqlite3.SQLITE_IOERR_WRITE:
        return StoreFullError()
    # Only the beginning of a transaction waits for others' locks.
    if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
        return StoreLockedError()
    if committing:
        return None
    if is_no_room(error):
        return StoreFullError()
    # What can't be read from the file is whole in memory.
    if _is_checksum(error) or _is_text(error) or (code is not None and code & 0xFF in _DAMAGED):
        return StoreLostError(in_words(error))
    return None


def is_no_room(error: BaseException) -> bool:
    """Whether the disk has no room, or its quota is used up."""
    return _code(error) in _NO_ROOM


def is_no_database(error: BaseException) -> bool:
    """Whether the file is something else than a database of SQLite."""
    return _code(error) == sqlite3.SQLITE_NOTADB


def in_words(error: BaseException) -> str:
    """What has happened, and what an operator can do."""
    code = _code(error)
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return f"{error} (may this user write there?)"
    if is_no_database(error):
        return "it is not a database; choose another --data, or move it away"
    if is_no_room(error):
        return f"{error} (is the disk full, or its quota used up? Then make room)"
    if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
        return f"{error} (another program uses it; end that one)"
    if _is_checksum(error):
        return "a row fails its checksum"
    if code is not None and code & 0xFF == sqlite3.SQLITE_IOERR:
        return f"{error} (is the disk broken?)"
    return f"{error}. If the file is damaged, move it away and start again: {_PEERS}"


def damaged(where: str, what: str) -> DataError:
    """The error of a file with which there is nothing to go on."""
    return DataError(f"{where} is damaged: {what}. Move the file away and start again: {_PEERS}")


def _is_text(error: BaseException) -> bool:
    """Whether text can't be decoded. The driver's own error for that has no code."""
    return isinstance(error, UnicodeError) or "decode to UTF-8" in str(error)


def _is_checksum(error: BaseException) -> bool:
    """Whether one of our own functions has failed."""
    return _code(error) == sqlite3.SQLITE_ERROR and "user-defined function" in str(error)


def _code(error: BaseException) -> int | None:
    return getattr(error, "sqlite_errorcode", None)
