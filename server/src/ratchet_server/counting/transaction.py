"""What one transaction reads and writes: counts, and the keys of views."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiosqlite
from ratchet.changes import Changes, Lift
from ratchet.generations import FLOOR
from ratchet.slot import Slot

from ratchet_server.counting import schema


class Transaction:
    """The writes of one transaction."""

    def __init__(
        self, driver: aiosqlite.Connection, ids: dict[Slot, int], drop_before: int
    ) -> None:
        """Use `Store.transaction`. `drop_before`: see below."""
        self._driver = driver
        self._slot_ids = ids
        self.lifted = False
        # The entries of days before this one are forgotten, and some may still be there. 0: none.
        self.drop_before = drop_before
        # How many more keys are remembered at the end.
        self.keys = 0

    async def known_keys(self, keys: Iterable[str], now_s: int) -> Mapping[str, str]:
        """The video of each of `keys` that the store remembers."""
        values = (json.dumps(list(keys)), now_s)
        found = await self._driver.execute_fetchall(schema.KNOWN_KEYS, values)
        return {row[0]: row[1] for row in found}

    async def remember_keys(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> None:
        """Remember key -> video until `expires_s`, and forget some keys that have expired."""
        # First, so that a key that has expired is not taken for a second one when it comes again.
        dropped = await self._driver.execute(schema.DROP_KEYS, (now_s, 2000))
        self.keys -= dropped.rowcount
        await self.put_keys([(key, video, expires_s) for key, video in keys.items()])

    async def put_keys(self, keys: Iterable[Iterable[Any]]) -> None:
        """Remember keys, each with its video and the time when it expires."""
        rows = [tuple(key) for key in keys]
        await self._execute_many(schema.PUT_KEY, rows)
        self.keys += len(rows)

    async def write(self, changes: Changes) -> None:
        """Write `changes`, in the order that `Changes` documents."""
        for slot, complete, rows in changes.columns:
            await self._driver.execute(schema.PUT_SLOT, (*slot, complete))
            slot_id = await self._slot_id(slot)
            await self._execute_many(schema.PUT_ROW, [(slot_id, *row) for row in rows])
        await self._execute_many(schema.PUT_BASE, changes.base)
        await self._execute_many(schema.PUT_DAY, changes.days)
        for lift in changes.lifts:
            await self._lift(lift)
        maps = (changes.newest, changes.closed, changes.folded, changes.lifted_views)
        if any(maps):
            await self._write_maps(maps)
        cluster = [("id", each) for each in changes.ids]
        if changes.settled:
            cluster.append(("settled", ""))
        if changes.first_day:
            cluster.append(("first-day", str(changes.first_day)))
        await self._execute_many(schema.PUT_CLUSTER, cluster)
        if changes.first_day:
            await self._driver.execute(schema.DROP_FIRST_DAYS, (changes.first_day,))
        self.drop_before = max(self.drop_before, changes.first_day)
        if self.drop_before:
            await self._drop_days()

    async def _drop_days(self) -> None:
        """Drop some of the entries that are forgotten. Later transactions drop the rest, and who
        reads before that leaves them out."""
        dropped = await self._driver.execute(schema.DROP_DAYS, (self.drop_before,))
        if dropped.rowcount < schema.DROPPED_DAYS:
            self.drop_before = 0

    async def _write_maps(self, maps: Iterable[Mapping[str, int]]) -> None:
        by_kind = dict(zip(schema.KINDS, maps, strict=True))
        entries = [(kind, *entry) for kind, each in by_kind.items() for entry in each.items()]
        await self._execute_many(schema.PUT_GENERATION, entries)
        # Names are forgotten, too.
        listed = [(kind, json.dumps(list(each))) for kind, each in by_kind.items()]
        await self._execute_many(schema.DROP_GENERATIONS, listed)
        if any(FLOOR in each for each in maps):
            await self._driver.execute(schema.MARK_FLOOR)

    async def _lift(self, lift: Lift) -> None:
        slot_id = await self._slot_id(lift.slot)
        if slot_id is None:
            return
        self.lifted = True
        which: str = ""
        values: list[str | int] = [slot_id]
        if not lift.last:
            which, values = schema.IN_LIST, [slot_id, json.dumps(lift.videos)]
        if lift.day is not None:
            to_day = [*values, "", lift.day] if lift.last else [*values, lift.day]
            await self._driver.execute(schema.LIFT_DAY.format(which=which), to_day)
        for statement in (schema.LIFT, schema.DROP_ROWS):
            await self._driver.execute(statement.format(which=which), values)
        if lift.last:
            await self._driver.execute(schema.DROP_SLOT, (slot_id,))
            del self._slot_ids[lift.slot]

    async def _slot_id(self, slot: Slot) -> int | None:
        if slot not in self._slot_ids:
            for row in await self._driver.execute_fetchall(schema.SLOT_ID, tuple(slot)):
                self._slot_ids[slot] = row[0]
        return self._slot_ids.get(slot)

    async def _execute_many(self, statement: str, values: Sequence[tuple[Any, ...]]) -> None:
        if values:
            await self._driver.executemany(statement, values)
