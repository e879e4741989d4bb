"""The health of the database's files: replaces bad ones, and logs what happens to them."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

from ratchet.replica import Replica

from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.failures import (
    NothingWritten,
    StoreFullError,
    StoreLockedError,
    StoreLostError,
)
from ratchet_server.counting.refusals import DataLost, DiskFull, Locked, NotCounted
from ratchet_server.counting.store import Store

# How often to look whether the files are still there.
LOOK_S: Final = 1.0
# How long to wait for keys that can't be read. The disk may be away for a moment only, and memory
# has no copy of them.
KEYS_S: Final = 60.0
# Rows in one transaction of a new file.
_ROWS_AT_ONCE: Final = 10_000
# When the store takes no transaction: how the keeper refuses views, and what the log says.
_UNWRITABLE: Final[Mapping[type[NothingWritten], tuple[type[NotCounted], str]]] = {
    StoreFullError: (
        DiskFull,
        "the disk is full, or its quota is used up: views are refused until there is room",
    ),
    StoreLockedError: (
        Locked,
        "another program has locked the database: views are refused until it lets go",
    ),
    StoreLostError: (
        DataLost,
        "the data is lost, but for what is in memory: views are refused until a new file can be "
        "written, or the old files are back. This is in the way: {0}",
    ),
}

# The refusals while the database takes nothing.
UNWRITABLE: Final = tuple(why for why, _ in _UNWRITABLE.values())
# Why a file was replaced by a new one: it was damaged when the node started, or it was lost while
# the node ran.
Why = Literal["damaged", "lost"]

_log = logging.getLogger(__name__)


class Health:
    """The keeper's care for the files of `store`. `replica` is what is in memory."""

    def __init__(self, store: Store, replica: Replica, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._replica = replica
        self._clock = clock
        # Why the last transaction was not written; None if it was.
        self.unwritten: type[NotCounted] | None = None
        # What the log says of that, each once.
        self._logged = set[str]()
        # How many files were replaced, for /metrics.
        self.replaced: Counter[Why] = Counter()
        # When to look again whether the files are still what was written, and since when they are
        # not.
        self._next_look = -math.inf
        self._faulty_since: float | None = None

    async def mend(self) -> None:
        """Replace the file if `Store.load`, just now, has found it damaged or old. Raises
        `DataError` if that can't be done."""
        for damage in self._store.damage:
            _log.error("the database is damaged. %s", damage)
        if self._store.damage or self._store.is_old:
            try:
                old = await self._renew()
            except NothingWritten as reason:
                raise DataError(
                    "the database must be replaced by a new one, and that can't be written: "
                    f"{_UNWRITABLE[type(reason)][1].format(reason)}. Start again after that"
                ) from None
            if self._store.damage:
                self.replaced["damaged"] += 1
                _log.error(
                    "what was not damaged is in a new file, and the peers send the rest "
                    "that they have. The damaged file is %s",
                    old,
                )
            else:
                _log.info(
                    "the database has been upgraded. The old file is %s: delete it at will", old
                )
        self._log_warnings()

    async def look(self) -> None:
        """Once a second, see whether the files are still what was written. If not, write memory
        into a new file. Raises `NothingWritten` if that can't be done now."""
        refusing = self.unwritten is DataLost
        if self._clock() < self._next_look and not refusing:
            return
        fault = await self._store.fault()
        if fault and self._clock() < self._next_look:
            raise StoreLostError(fault)
        now = self._clock()
        self._next_look = now + LOOK_S
        if fault:
            if not refusing:
                _log.error("%s: writing everything that is in memory into a new file", fault)
            if self._faulty_since is None:
                self._faulty_since = now
            old = await self._renew(needs_keys=now - self._faulty_since < KEYS_S)
            self.replaced["lost"] += 1
            _log.warning("everything is in a new file; the old one is %s", old or "gone")
            self._log_warnings()
        self._faulty_since = None

    def unwritable(self, reason: NothingWritten) -> type[NotCounted]:
        """The store takes nothing now, for this reason. Return how to refuse the views."""
        why, text = _UNWRITABLE[type(reason)]
        if (said := text.format(reason)) not in self._logged:
            _log.error("%s", said)
        self._logged.add(said)
        self.unwritten = why
        return why

    def writable(self) -> None:
        """The store has taken a transaction."""
        if self.unwritten:
            self.unwritten = None
            self._logged.clear()
            _log.info("the database takes views again")

    async def _renew(self, *, needs_keys: bool = False) -> Path | None:
        """Write everything that is in memory into a new file. Return where the old file is."""
        everything = self._replica.everything(_ROWS_AT_ONCE)
        return await self._store.renew(everything, needs_keys=needs_keys)

    def _log_warnings(self) -> None:
        """Log each warning of the store once: it may renew its files more than once."""
        for warning in self._store.warnings:
            _log.warning("%s", warning)
        self._store.warnings.clear()
