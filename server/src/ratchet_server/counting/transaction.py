"""What one transaction reads and writes: counts, and the keys of views."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ratchet.changes import Changes, Lift, Pending
from ratchet.generations import FLOOR
from ratchet.slot import Slot

from ratchet_server.counting import schema
from ratchet_server.counting.keys import Keys


class Transaction:
    """One transaction. Only the thread of the database uses it."""

    def __init__(
        self, database: sqlite3.Connection, ids: dict[Slot, int], drop_before: int, keys: Keys
    ) -> None:
        """Use `Store.commit`. `drop_before`: see below."""
        self._database = database
        self._slot_ids = ids
        self.lifted = False
        # The entries of days before this one are forgotten, and some may still be there. 0: none.
        self.drop_before = drop_before
        self.keys = keys

    def write(self, changes: Changes) -> None:
        """Write `changes`, in the order that `Changes` documents."""
        for slot, complete, rows in changes.columns:
            self._database.execute(schema.PUT_SLOT, (*slot, complete))
            slot_id = self._slot_id(slot)
            # In the order of the key, so that neighbours meet the same page of the tree while it is
            # in SQLite's cache: a replica that catches up gets rows in the order of their changes.
            self._execute_many(schema.PUT_ROW, [(slot_id, *row) for row in sorted(rows)])
        self._execute_many(schema.PUT_BASE, changes.base)
        self._execute_many(schema.PUT_DAY, changes.days)
        for lift in changes.lifts:
            self._lift(lift)
        maps = (changes.newest, changes.closed, changes.folded, changes.lifted_views)
        if any(maps):
            self._write_maps(maps)
        cluster = [("id", each) for each in changes.ids]
        if changes.settled:
            cluster.append(("settled", ""))
        if changes.first_day:
            cluster.append(("first-day", str(changes.first_day)))
        self._execute_many(schema.PUT_CLUSTER, cluster)
        if changes.first_day:
            self._database.execute(schema.DROP_FIRST_DAYS, (changes.first_day,))
        self.drop_before = max(self.drop_before, changes.first_day)
        if self.drop_before:
            self._drop_days()
        if changes.pending:
            self._write_pending(changes.pending)

    def _write_pending(self, pending: Mapping[str, Pending | None]) -> None:
        rows = [
            (key, one.video, one.views, one.by, int(one.behind), one.since_ms)
            for key, one in pending.items()
            if one
        ]
        gone = [(key,) for key, one in pending.items() if one is None]
        self._execute_many(schema.PUT_PENDING, rows)
        self._execute_many(schema.DROP_PENDING, gone)

    def _drop_days(self) -> None:
        """Drop some of the entries that are forgotten. Later transactions drop the rest, and who
        reads before that leaves them out."""
        dropped = self._database.execute(schema.DROP_DAYS, (self.drop_before,))
        if dropped.rowcount < schema.DROPPED_DAYS:
            self.drop_before = 0

    def _write_maps(self, maps: Iterable[Mapping[str, int]]) -> None:
        by_kind = dict(zip(schema.KINDS, maps, strict=True))
        entries = [(kind, *entry) for kind, each in by_kind.items() for entry in each.items()]
        self._execute_many(schema.PUT_GENERATION, entries)
        # Names are forgotten, too.
        listed = [(kind, json.dumps(list(each))) for kind, each in by_kind.items()]
        self._execute_many(schema.DROP_GENERATIONS, listed)
        if any(FLOOR in each for each in maps):
            self._database.execute(schema.MARK_FLOOR)

    def _lift(self, lift: Lift) -> None:
        slot_id = self._slot_id(lift.slot)
        if slot_id is None:
            return
        self.lifted = True
        which: str = ""
        values: list[str | int] = [slot_id]
        if not lift.last:
            which, values = schema.IN_LIST, [slot_id, json.dumps(lift.videos)]
        if lift.day is not None:
            to_day = [*values, "", lift.day] if lift.last else [*values, lift.day]
            self._database.execute(schema.LIFT_DAY.format(which=which), to_day)
        for statement in (schema.LIFT, schema.DROP_ROWS):
            self._database.execute(statement.format(which=which), values)
        if lift.last:
            self._database.execute(schema.DROP_SLOT, (slot_id,))
            del self._slot_ids[lift.slot]

    def _slot_id(self, slot: Slot) -> int | None:
        if slot not in self._slot_ids:
            for row in self._database.execute(schema.SLOT_ID, tuple(slot)):
                self._slot_ids[slot] = row[0]
        return self._slot_ids.get(slot)

    def _execute_many(self, statement: str, values: Sequence[tuple[Any, ...]]) -> None:
        if values:
            self._database.executemany(statement, values)
