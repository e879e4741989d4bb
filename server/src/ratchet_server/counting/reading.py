"""Reads everything back that is surely as it was written, and finds what is damaged."""

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final, cast

import aiosqlite
from ratchet.changes import Changes, ColumnChange, Pending
from ratchet.column import Row
from ratchet.days import day_at
from ratchet.slot import Slot

from ratchet_server.counting import schema
from ratchet_server.counting.checksum import all_intact
from ratchet_server.counting.failures import UNREADABLE, damaged

# How many rows one read fetches: enough to be fast, few enough to let other tasks run in between.
_ROWS_PER_READ: Final = 20_000


class _Sum:
    """The rows of a table that have been read and are intact: how many, and their checksums."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start anew."""
        self.entries = 0
        self.crcs = 0
        # Some rows are not intact, or can't be read.
        self.broken = False

    @property
    def entries_and_crcs(self) -> tuple[int, int]:
        """What the file should say."""
        return self.entries, self.crcs

    def add_intact(
        self, part: Sequence[tuple[Any, ...]], before: tuple[int, ...], skipped: int
    ) -> list[tuple[Any, ...]]:
        """Return those of `part` that are intact. `before`, `skipped`: see `Reading._intact`."""
        intact = all_intact(part, before, skipped)
        self.broken |= len(intact) < len(part)
        self.entries += len(intact)
        self.crcs += sum(row[-1] for row in intact)
        return intact


class Reading:
    """One reading of a whole database."""

    def __init__(self, driver: aiosqlite.Connection, where: str, *, is_old: bool) -> None:
        """`where` names the database for people. `is_old`: it has version 1, and so no sums."""
        self._driver = driver
        self._where = where
        self._is_old = is_old
        # What is damaged, in words.
        self.damage: list[str] = []
        # Whether some ids of the cluster can't be read.
        self.has_lost_ids = False
        # The ids of the slots in the database.
        self.slot_ids: dict[Slot, int] = {}

    async def everything(self) -> AsyncIterator[Changes]:
        """Read part by part: see `Store.load`, which says what is done about damage, and why."""
        await self._check_structure()
        maps: dict[str, dict[str, int]] = {kind: {} for kind in schema.KINDS}
        sums = _Sum()
        async for part in self._intact(schema.GENERATIONS, sums):
            for kind, node, generation, _ in part:
                maps[kind][node] = generation
        if not await self._is_whole(sums, schema.SUM, "generations"):
            raise damaged(self._where, "what it knows of the nodes of the cluster is not whole")
        newest, closed, folded, lifted = maps.values()
        yield Changes(newest=newest, closed=closed, folded=folded, lifted_views=lifted)
        if self._is_old:
            # What is there may be of many days.
            cluster = Changes(first_day=day_at(time.time_ns() // 1000) + 1)
        else:
            cluster = await self._cluster()
        yield cluster
        sums = _Sum()
        skipped = 1 if self._is_old else 0
        parts = self._intact(schema.SLOTS, sums, skipped=skipped)
        slots = [slot async for part in parts for slot in part]
        sums.crcs = 0
        if not await self._is_whole(sums, schema.SUM, "slots"):
            self.damage.append(f"slots: {len(slots)} can be read, and others can't")
        for slot_id, node, generation, complete, _ in slots:
            slot = Slot(node, generation)
            self.slot_ids[slot] = slot_id
            sums = _Sum()
            async for part in self._intact(schema.ROWS, sums, slot_id):
                rows = tuple(Row(video, views, seq) for video, views, seq, _ in part)
                yield Changes(columns=(ColumnChange(slot, 0, rows),))
            if await self._is_whole(sums, schema.SUM_OF_SLOT, slot_id):
                # Claim `complete` only now, when all rows are there.
                yield Changes(columns=(ColumnChange(slot, complete, ()),))
            else:
                self.damage.append(f"{slot}: {sums.entries} rows can be read, and others can't")
        sums = _Sum()
        async for part in self._intact(schema.BASE, sums):
            yield Changes(base=tuple((video, views) for video, views, _ in part))
        if not await self._is_whole(sums, schema.SUM, "base"):
            self.damage.append(f"the base: {sums.entries} videos can be read, and others can't")
        if self._is_old:
            return
        sums = _Sum()
        async for part in self._intact(schema.DAYS, sums):
            # Those that are forgotten may not all be gone yet.
            kept = (entry for entry in part if entry[0] >= cluster.first_day)
            yield Changes(days=tuple((day, video, views) for day, video, views, _ in kept))
        if not await self._is_whole(sums, schema.SUM, "days"):
            self.damage.append(f"the days: {sums.entries} entries can be read, and others can't")

        sums = _Sum()
        async for part in self._intact(schema.PENDING, sums):
            yield Changes(
                pending={
                    key: Pending(video, views, by, bool(behind), since_ms)
                    for key, video, views, by, behind, since_ms, _ in part
                }
            )
        if not await self._is_whole(sums, schema.SUM, "pending"):
            self.damage.append(f"pending views: {sums.entries} can be read, and others can't")

    async def _cluster(self) -> Changes:
        """The ids of the cluster. If some are lost, the node has to find its cluster anew."""
        sums = _Sum()
        found = [row async for part in self._intact(schema.CLUSTER, sums) for row in part]
        if not (whole := await self._is_whole(sums, schema.SUM, "cluster")):
            self.has_lost_ids = True
            self.damage.append(f"the ids of the cluster: {len(found)} can be read, others can't")
        return Changes(
            ids=frozenset(value for kind, value, _ in found if kind == "id"),
            settled=whole and any(kind == "settled" for kind, _, _ in found),
            first_day=max(
                (int(value) for kind, value, _ in found if kind == "first-day"), default=0
            ),
        )

    async def _intact(
        self, query: schema.Query, sums: _Sum, *values: int, skipped: int = 0
    ) -> AsyncIterator[list[tuple[Any, ...]]]:
        """The rows that pass their checksum, which is the last value of each. Add them to `sums`.

        A checksum is over `values`, the parameters of the query, and over the row without the first
        `skipped` values.
        """
        # SQLite sorts before it returns anything, and the driver decodes before it does. So if one
        # row can't be read, none comes. Then read again, one by one, until what can't be read.
        for careful in (False, True):
            sums.clear()
            sums.broken = careful
            statement = query.careful if careful else query.fast
            try:
                async with self._driver.execute(statement, values) as cursor:
                    while part := cast(
                        list[tuple[Any, ...]], await cursor.fetchmany(_ROWS_PER_READ)
                    ):
                        rows = _decoded(part) if careful else part
                        yield sums.add_intact(rows, values, skipped)
            except UNREADABLE:
                sums.broken = True
            else:
                return

    async def _is_whole(self, found: _Sum, query: str, name: str | int) -> bool:
        """Whether `found` is everything that was written: the sum that `query` finds says so."""
        if found.broken or self._is_old:
            return not found.broken
        try:
            return [*await self._driver.execute_fetchall(query, (name,))] == [
                found.entries_and_crcs
            ]
        except UNREADABLE:
            return False

    async def _check_structure(self) -> None:
        for statement in schema.STRUCTURE:
            try:
                found = [row[0] for row in await self._driver.execute_fetchall(statement)]
            except UNREADABLE as error:
                found = [str(error)]
            if found != ["ok"]:
                self.damage.append(f"its structure: {' '.join(found[0].split())}")


def _decoded(part: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of `part` with text for bytes. Text that can't be decoded fails its checksum."""
    return [
        tuple(each.decode(errors="replace") if isinstance(each, bytes) else each for each in row)
        for row in part
    ]
