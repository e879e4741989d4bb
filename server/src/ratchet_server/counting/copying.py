"""A copy of a database, while a node may be writing it."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ratchet_server.counting import files

# After how many steps of SQLite's machine it looks whether to stop.
_STEPS: Final = 10_000


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at `path`, which a node may be writing. Inside, nothing of it changes, and no
    file beside it. Raises `sqlite3.Error` and `OSError`."""
    uri = f"{path.resolve(strict=True).as_uri()}?mode=ro"
    if not files.beside(path.resolve(), files.LOG).exists():
        # No process has it open. SQLite would make a log and an index, and leave them there.
        uri += "&immutable=1"
    # A connection that can't write can't reset the log, either.
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
        yield database


def copy(path: Path, to: Path, stop: threading.Event | None = None) -> None:
    """Write all that is surely on disk in the database at `path` to a new file `to`, which only
    this user may read. The node that writes `path` goes on meanwhile. Raises `sqlite3.Error`, also
    soon after `stop` is set, and `OSError`; `to` is not whole then."""
    # SQLite takes an empty file for none, and would make one that everybody may read.
    os.close(os.open(to, os.O_CREAT | os.O_EXCL, 0o600))
    with reading(path) as database:
        if stop:
            database.set_progress_handler(stop.is_set, _STEPS)
        database.execute("VACUUM INTO ?", (str(to),))


def drop_pending(path: Path) -> None:
    """Take the pending views out of a copy. They may count in the meantime, and no node would know
    their keys any more when the copy is restored: they would count twice. (If their node loses its
    disk before they count, they are lost.) Raises `sqlite3.Error`."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM pending")
