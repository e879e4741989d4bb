"""The files of a database: which there are, how a new one takes the place of a bad one, and what
the log should hold.

    ratchet.sqlite                    the database; SQLite keeps its log (-wal) and its index (-shm)
                                      beside it
    ratchet.new.sqlite                a new one that is being written
    ratchet.mended.sqlite             a new one with everything, which has yet to take the place of
                                      the old one
    ratchet.damaged-<time>.sqlite     an old one that was damaged, for people to look at
    ratchet.version-<n>-<time>.sqlite an old one of an earlier version of the program
    ratchet.repaired-<time>.sqlite    an old one out of which an operator took wrong numbers
    ratchet.being-copied.sqlite       a copy that an operator is getting
"""

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

LOG: Final = "-wal"
INDEX: Final = "-shm"
BESIDE: Final = (LOG, INDEX)

# The log and its index: https://sqlite.org/walformat.html
_LOG_HEADER: Final = struct.Struct(">8I")
_FRAME_HEADER: Final = struct.Struct(">6I")
# With pages of SQLite's usual size.
_FRAME_SIZE: Final = _FRAME_HEADER.size + 4096
_LOG_MAGIC: Final = (0x377F0682, 0x377F0683)


def beside(path: Path, suffix: str) -> Path:
    """The log or the index of the database at `path`."""
    return path.with_name(path.name + suffix)


def new(path: Path) -> Path:
    """Where a new database is written that will take the place of `path`. Deletes an unfinished one
    that is there."""
    fresh = path.with_suffix(".new.sqlite")
    for suffix in ("", *BESIDE):
        beside(fresh, suffix).unlink(missing_ok=True)
    return fresh


def for_backup(path: Path) -> Path:
    """Where a copy of `path` is written that is sent to an operator. Deletes an unfinished one."""
    copy = path.with_suffix(".being-copied.sqlite")
    copy.unlink(missing_ok=True)
    return copy


def finished(path: Path, fresh: Path) -> None:
    """The new database at `fresh` has everything, and is closed: it counts from now on."""
    sync(fresh)
    fresh.rename(_mended(path))
    sync(path.parent)


def replace(path: Path, aside: str) -> Path | None:
    """If a finished new database is there, move the old one aside (`ratchet.ASIDE.sqlite`), and put
    the new one in its place. Return where the old one is.

    A crash at any point leaves the new one there, and the next start calls this again. No process
    may have either of them open: SQLite deletes logs by their names.
    """
    if not _mended(path).exists():
        return None
    old = path.with_suffix(f".{aside}.sqlite")
    there = path.exists()
    # A new database must never meet the log of an old one.
    for suffix in (*BESIDE, ""):
        with suppress(FileNotFoundError):
            beside(path, suffix).rename(beside(old, suffix))
    _mended(path).rename(path)
    sync(path.parent)
    return old if there else None


def is_lost(path: Path) -> bool:
    """Whether there is no database at `path`, or an empty file, and a log of one."""
    log = beside(path, LOG)
    lost = not path.exists() or path.stat().st_size == 0
    return lost and log.exists() and log.stat().st_size > 0


def sync(path: Path) -> None:
    """Return once `path`, a file or a folder, is on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


class Watch:
    """Whether the files of an open database are still those that were opened, and as long.

    It opens none of them. A process that opens and closes a file loses all of SQLite's locks on it
    (fcntl's locks are like that), and other programs could then spoil the database.
    """

    def __init__(self, path: Path) -> None:
        """SQLite has opened the files just now."""
        self._path = path
        self._log = beside(path, LOG)
        self._log_name = str(self._log)
        self._log_size = 0
        self._seen: dict[Path, os.stat_result] = {}
        self.fault()

    def fault(self) -> str | None:
        """What has happened to them, in words."""
        for file in (self._path, self._log, beside(self._path, INDEX)):
            before = self._seen.get(file)
            try:
                now = file.stat()
            except FileNotFoundError:
                if before is None:
                    continue  # SQLite makes it when it needs it.
                return f"{file} is gone"
            except OSError as error:
                return f"{file} can't be reached: {error.strerror}"
            if before is not None:
                if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
                    return f"{file} has been replaced by another file"
                if file == self._path and now.st_size < before.st_size:
                    return f"{file} has been cut short"
            self._seen[file] = now
        return None

    def log_is_shorter(self) -> bool:
        """Whether the log has become shorter since the last call. Another program may have moved
        what it held into the database. Call this before each transaction: one that is written into
        a log that was cut leaves a hole, and the log is as long as before."""
        size, self._log_size = self._log_size, self._size_of_log()
        return self._log_size < size

    def log_has(self, frames: int) -> bool:
        """Whether the log can have so many frames."""
        return not frames or self._size_of_log() >= _LOG_HEADER.size + frames * _FRAME_SIZE

    def _size_of_log(self) -> int:
        try:
            # Once for each transaction: `Path.stat` takes twice as long.
            return os.stat(self._log_name).st_size  # noqa: PTH116
        except OSError:
            return 0


def log_is_cut_short(path: Path, used: int) -> bool:
    """Whether committed frames of the log can't be read. SQLite uses the first `used` ones, and
    takes no notice of frames from the first bad one on.

    A process that was killed may leave a transaction without its end: that is no damage.
    """
    log = beside(path, LOG)
    with suppress(FileNotFoundError), log.open("rb") as file:
        header = file.read(_LOG_HEADER.size)
        if len(header) < _LOG_HEADER.size:
            return False
        magic, _, page, _, *salts, sum_1, sum_2 = _LOG_HEADER.unpack(header)
        if magic not in _LOG_MAGIC or _checksum(header[:24], (0, 0), magic) != (sum_1, sum_2):
            return True
        before = (sum_1, sum_2)
        for number, frame in enumerate(_frames(file.fileno(), page)):
            current = [frame.salts[0] == salts[0], frame.salts[1] == salts[1]]
            if number >= used:
                if not any(current):
                    return False  # It is from before the log was last begun anew.
                if not all(current) or frame.commits or frame.checksum(before, magic) != frame.sums:
                    return True
            before = frame.sums
    return False


class _Frame(NamedTuple):
    """One page in the log."""

    head: bytes
    commits: bool
    salts: tuple[int, int]
    sums: tuple[int, int]
    page: bytes

    def checksum(self, before: tuple[int, int], magic: int) -> tuple[int, int]:
        return _checksum(self.head + self.page, before, magic)


def _frames(log: int, page: int) -> Iterator[_Frame]:
    at = _LOG_HEADER.size
    while True:
        frame = os.pread(log, _FRAME_HEADER.size + page, at)
        if len(frame) < _FRAME_HEADER.size + page:
            return
        _, commits, salt_1, salt_2, sum_1, sum_2 = _FRAME_HEADER.unpack(frame[:24])
        salts, sums = (salt_1, salt_2), (sum_1, sum_2)
        yield _Frame(frame[:8], commits != 0, salts, sums, frame[_FRAME_HEADER.size :])
        at += len(frame)


def _checksum(content: bytes, before: tuple[int, int], magic: int) -> tuple[int, int]:
    """SQLite's checksum of `content`, which goes on from the one `before`."""
    order = ">" if magic & 1 else "<"
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    one, two = before
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _mended(path: Path) -> Path:
    return path.with_suffix(".mended.sqlite")
