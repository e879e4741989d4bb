"""Files that an earlier version of the program has written."""

import time
from pathlib import Path

from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.days import day_at
from ratchet.slot import Slot
from ratchet_server.counting.store import Store

from testing.stores import IDS, WHOLE, A, K, identity, read, renewed, run, spoil, whole, write

VERSION_1 = Path(__file__).with_name("version_1.sql")


class TestAnOlderFile:
    def test_a_file_from_before_there_were_ids_gets_them_and_keeps_the_rest(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE))
        spoil(
            path,
            "DROP TABLE cluster; DROP TABLE days; DROP TABLE key_groups; DROP TABLE pending; "
            "DELETE FROM sums WHERE name IN ('cluster', 'days', 'pending')",
        )

        async def story(store: Store) -> None:
            found = await read(store)
            assert found == WHOLE._replace(first_day=found.first_day)
            assert await identity(store) == (frozenset(), False)
            await write(store, Changes(ids=IDS))
            assert await identity(store) == (IDS, False)
            assert store.damage == []

        run(path, story)

    def test_a_file_from_before_there_were_days_knows_none_before_tomorrow(
        self, tmp_path: Path
    ) -> None:
        """What is in one slot there may be of many days."""
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE, Changes(ids=IDS)))
        spoil(
            path,
            "DROP TABLE pending; DROP TABLE key_groups; DROP TABLE days; "
            "DELETE FROM sums WHERE name IN ('days', 'pending')",
        )

        async def story(store: Store) -> None:
            before = day_at(time.time_ns() // 1000)
            found = await read(store)
            assert found == WHOLE._replace(first_day=found.first_day)
            assert found.first_day in {before + 1, day_at(time.time_ns() // 1000) + 1}
            assert store.damage == []
            await write(store, Changes(lifts=(whole(A),), first_day=found.first_day + 1))
            assert (await read(store)).first_day == found.first_day + 1

        run(path, story)

    def test_a_file_of_version_1_is_read_and_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "x.sqlite"
        spoil(path, VERSION_1.read_text())

        async def upgrade(store: Store) -> None:
            found = await read(store)
            assert store.is_old
            assert store.damage == []
            assert found == Changes(
                columns=(
                    ColumnChange(Slot("a", 5), 3, (Row("tide", 2, 2), Row("fern", 1, 3))),
                    ColumnChange(Slot("b", 7), 1, (Row("tide", 9, 1),)),
                ),
                base=(("moss", 1), ("tide", 4)),
                newest={"a": 5, "b": 7, "old": 1},
                closed={"a": 4, "old": 1},
                folded={"old": 1},
                lifted_views={"old": 5},
                first_day=found.first_day,
            )
            # What is there may be of many days.
            assert found.first_day > day_at(time.time_ns() // 1000)
            old = await renewed(store, found)
            assert old.name.startswith("x.version-1-")
            assert await read(store) == found
            assert await store.known_keys([K], 0) == {K: "tide"}

        run(path, upgrade)

    def test_a_damaged_file_of_version_1_is_noticed_too(self, tmp_path: Path) -> None:
        path = tmp_path / "x.sqlite"
        spoil(path, VERSION_1.read_text() + "UPDATE rows SET views = 100 WHERE views = 9;")

        async def story(store: Store) -> None:
            found = await read(store)
            assert found.columns[1] == ColumnChange(Slot("b", 7), 0, ())
            assert [one for one in store.damage if one.startswith("b@7: 0 rows")]

        run(path, story)
