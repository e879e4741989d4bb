"""The data folder: this makes it, checks it, and locks it for one process."""

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
            "stop that process, or give this one a --data of its own"
        )
        self.pid = pid


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Lock `folder` for this process, and give the path of the database in it. Raises `DataError`.

    Two processes with one database would overwrite each other's claims. However a process dies, the
    kernel releases its lock.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # What is in it is for this user alone.
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.fdopen(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise DataError(
            f"can't write in the data folder {folder}: {error.strerror}; let this user write "
            "there, or choose another --data"
        ) from None
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
