"""A copy of a database, while a node may be writing it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def copy(path: Path, to: Path) -> None:
    """Write all that is surely on disk in the database at `path` to a new file `to`, which only
    this user may read. The node that writes `path` goes on meanwhile. Raises `sqlite3.Error` and
    `OSError`; `to` is not whole then."""
    # SQLite takes an empty file for none, and would make one that everybody may read.
    os.close(os.open(to, os.O_CREAT | os.O_EXCL, 0o600))
    uri = f"{path.resolve(strict=True).as_uri()}?mode=ro"
    # A connection that can't write can't reset the log, either.
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
        database.execute("VACUUM INTO ?", (str(to),))
