"""The data folder: made, checked and locked for one process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DATABASE = "ratchet.sqlite"


class DataError(Exception):
    """The node can't use the stored data. The message says why and how to mend it."""


class InUse(DataError):
    """Another process (`pid`) has locked the folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(
            f"the data folder {folder} is in use by another process (pid {pid}); "
            "stop that one, or give this one a --data of its own"
        )
        self.pid = pid


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """The path of the database in `folder`. Inside, the folder is locked for this process.

    Two processes on one file would overwrite each other's claims. The kernel drops the lock when
    the process dies, however it dies. Raises `DataError`.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # What is in it is for this user alone.
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.fdopen(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise DataError(f"can't write in the data folder {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise InUse(folder, lock.read(20).strip() or "unknown") from None
        # The id only tells others who we are. A full disk may have no room for it.
        with suppress(OSError):
            lock.truncate(0)
            os.write(lock.fileno(), str(os.getpid()).encode())
        yield folder / DATABASE
