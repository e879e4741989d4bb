"""A node's disk, read without the node: while it runs, or after it was killed."""

import asyncio
import resource
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.counting.store import Store

from testing.nodes import Node

# SQLite lets tests replace its system calls (`xSetSystemCall` in sqlite3.h). With that little
# memory it keeps no pages, so each transaction reads.
_FAILING_READS: Final = """
import _sqlite3, ctypes, errno, os
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_size_t, c_ssize_t, c_void_p

class Vfs(ctypes.Structure):
    pass

Read = CFUNCTYPE(c_ssize_t, c_int, c_void_p, c_size_t, c_int64, use_errno=True)
Vfs._fields_ = [
    ("version", c_int), ("file_size", c_int), ("longest_path", c_int), ("next", c_void_p),
    ("name", c_char_p), ("data", c_void_p), ("calls", c_void_p * 13),
    ("set_system_call", CFUNCTYPE(c_int, POINTER(Vfs), c_char_p, Read)),
    ("get_system_call", CFUNCTYPE(c_void_p, POINTER(Vfs), c_char_p)),
]
sqlite = ctypes.CDLL(_sqlite3.__file__)
sqlite.sqlite3_vfs_find.restype = POINTER(Vfs)
sqlite.sqlite3_soft_heap_limit64(c_int64(1))
vfs = sqlite.sqlite3_vfs_find(None)

def fails(file):
    try:
        inodes = open({switch!r}).read().split()
    except FileNotFoundError:
        return False
    return not inodes or str(os.fstat(file).st_ino) in inodes

def failing(read):
    def fail(file, *more):
        if not fails(file):
            return read(file, *more)
        ctypes.set_errno(errno.EIO)
        return -1
    return Read(fail)

kept = []
for name in (b"pread", b"pread64"):
    if found := vfs.contents.get_system_call(vfs, name):
        kept.append(failing(Read(found)))
        vfs.contents.set_system_call(vfs, name, kept[-1])
"""


class Disk(NamedTuple):
    """What is in a database."""

    base: dict[str, int]
    slots: dict[Slot, dict[str, int]]
    closed: dict[str, int]
    folded: dict[str, int]

    @property
    def counts(self) -> Counter[str]:
        """The views of each video: in the base and in all slots."""
        return sum((Counter(views) for views in self.slots.values()), Counter(self.base))


def on_disk(node: Node) -> Disk:
    """What is on the disk of `node`, as a crash would leave it. Fails where the file is damaged."""
    if node.running:
        return _read(f"file:{Path(node.data) / DATABASE}?mode=ro")
    # Read a copy: SQLite would recover the original, and change what the crash has left.
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(node.data, copy)
        return _read(f"file:{copy / DATABASE}")


def fill(folder: Path, *history: Changes) -> Path:
    """A new data folder that has these changes, each written in a transaction of its own."""
    folder.mkdir()

    async def write() -> None:
        store = await Store.open(folder / DATABASE)
        for changes in history:
            await store.write(changes)
        await store.close()

    asyncio.run(write())
    return folder


def many(slot: Slot, videos: int) -> ColumnChange:
    """Rows of so many videos: `video-7` is the seventh, and has 7 views."""
    rows = tuple(Row(f"video-{n}", n, n) for n in range(1, videos + 1))
    return ColumnChange(slot, videos, rows)


@contextmanager
def no_file_larger_than(size: int, pid: int = 0) -> Iterator[None]:
    """Inside, the process `pid` (this one by default, and the children that it starts) can't make
    any file larger than `size` bytes.

    This stands for a full disk and for a quota, and needs no rights. A write that crosses the limit
    is cut short, as on a full disk. A write beyond it fails with an error that SQLite takes for
    a fault of the disk, as it takes the error of a quota.
    """
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def reads_that_can_fail(folder: Path) -> Path:
    """Fill `folder`, a PYTHONPATH for a node: the reads of its SQLite fail while the file that this
    returns exists. If that lists inodes, only those of these files fail. They fail as they do on a
    broken disk, and it needs no rights."""
    folder.mkdir()
    switch = folder / "reads-fail"
    (folder / "sitecustomize.py").write_text(_FAILING_READS.format(switch=str(switch)))
    return switch


def _read(uri: str) -> Disk:
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
        # One transaction reads everything as it is at one moment.
        database.execute("BEGIN")
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        disk = Disk(dict(database.execute("SELECT video, views FROM base")), {}, {}, {})
        for slot_id, *slot in database.execute("SELECT id, node, generation FROM slots"):
            rows = database.execute("SELECT video, views FROM rows WHERE slot = ?", (slot_id,))
            disk.slots[Slot(*slot)] = dict(rows)
        for kind, known in (("closed", disk.closed), ("folded", disk.folded)):
            query = "SELECT node, generation FROM generations WHERE kind = ?"
            known.update(database.execute(query, (kind,)))
        return disk
