"""A file that is damaged: the store notices it, and keeps what is whole."""

from pathlib import Path

import pytest
from ratchet.changes import Changes, Lift, Pending
from ratchet.column import Row
from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.failures import StoreLostError
from ratchet_server.counting.store import Store

from testing.stores import (
    IDS,
    WHOLE,
    A,
    B,
    K,
    L,
    M,
    column,
    identity,
    read,
    renewed,
    run,
    spoil,
    use_all_of,
    write,
)

# The pages of the maps, and of their sum.
MAPS = {6, 9}


class TestADamagedFile:
    @pytest.mark.parametrize(
        ("damage", "left"),
        [
            ("UPDATE rows SET views = views + 1000 WHERE video = 'v'", "a@5: 1 row"),
            ("UPDATE rows SET seq = seq + 1 WHERE video = 'v'", "a@5: 1 row"),
            ("UPDATE rows SET video = 'other' WHERE video = 'v'", "a@5: 1 row"),
            ("UPDATE rows SET video = CAST(x'ff' AS TEXT) WHERE video = 'v'", "a@5: 1 row"),
            ("UPDATE slots SET upto = upto + 1", "slots: 0"),
            ("UPDATE slots SET node = 'c'", "slots: 0"),
            ("UPDATE slots SET generation = generation + 1", "slots: 0"),
            ("UPDATE base SET views = views + 1", "the base: 0"),
            ("UPDATE base SET video = 'other'", "the base: 0"),
            # Every row that is there passes its checksum; and SQLite finds nothing wrong.
            ("UPDATE slots SET id = id + 10", "slots: 0"),
            ("UPDATE slots SET entries = entries + 1", "a@5: 2 rows"),
            ("UPDATE slots SET crcs = crcs + 1", "a@5: 2 rows"),
            ("DELETE FROM rows WHERE video = 'v'; UPDATE slots SET entries = 2", "a@5: 1 row"),
            ("DELETE FROM rows; DELETE FROM slots; UPDATE sums SET entries = 2", "slots: 0"),
            ("DELETE FROM base; UPDATE sums SET entries = 1 WHERE name = 'base'", "the base: 0"),
        ],
    )
    def test_damaged_and_missing_rows_are_noticed_and_the_rest_is_kept_in_a_new_file(
        self, tmp_path: Path, damage: str, left: str
    ) -> None:
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE, column(B, 2, ("v", 7, 2))))
        spoil(path, damage)

        async def mend(store: Store) -> None:
            found = await read(store)
            assert any(one.startswith(left) for one in store.damage), store.damage
            # Nothing is higher, and what is not whole claims nothing.
            for _, complete, rows in found.columns:
                known = {row.video: row for row in (*WHOLE.columns[0].rows, Row("v", 7, 2))}
                assert all(row.views <= known[row.video].views for row in rows)
                assert complete in {0, 2}
            assert set(found.base) <= {("v", 2)}
            assert (await renewed(store, found)).exists()
            assert await read(store) == found
            assert store.damage == []

        async def again(store: Store) -> None:
            await read(store)
            assert store.damage == []

        run(path, mend)
        run(path, again)
        assert len([*tmp_path.glob("x.damaged-*.sqlite")]) == 1

    @pytest.mark.parametrize(
        "damage",
        [
            "UPDATE generations SET generation = generation + 1 WHERE kind = 'heard'",
            "UPDATE generations SET kind = 'folded' WHERE kind = 'closed'",
            "INSERT INTO generations (kind, node, generation, crc) VALUES ('else', 'a', 1, 0)",
            "DELETE FROM generations WHERE kind = 'closed'; UPDATE sums SET entries = 2",
        ],
    )
    def test_without_all_of_the_maps_a_store_is_not_used(self, tmp_path: Path, damage: str) -> None:
        """What is folded could come back, and count twice."""
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE))
        spoil(path, damage)

        async def story(store: Store) -> None:
            with pytest.raises(DataError, match="Move the file away"):
                await read(store)

        run(path, story)

    @pytest.mark.parametrize("table", ["rows", "base"])
    def test_a_row_that_was_damaged_since_the_start_is_not_lifted(
        self, tmp_path: Path, table: str
    ) -> None:
        """The base would have a number that is too high, with a checksum that fits."""
        path = tmp_path / "x.sqlite"

        async def story(store: Store) -> None:
            await write(store, WHOLE)
            spoil(path, f"UPDATE {table} SET views = views + 1000 WHERE video = 'v'")
            for last in (False, True):
                with pytest.raises(StoreLostError, match="fails its checksum"):
                    await write(store, Changes(lifts=(Lift(A, ("v",), last),)))
            assert await store.fault()
            # Memory is whole.
            await renewed(store, WHOLE)
            await write(store, Changes(lifts=(Lift(A, ("v",), last=False),)))
            assert (await read(store)).base == (("v", 5),)
            assert await store.fault() is None

        run(path, story)

    @pytest.mark.parametrize("page", range(2, 10))
    def test_a_page_of_noise_is_noticed(self, tmp_path: Path, page: int) -> None:
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE))
        whole = bytearray(path.read_bytes())
        assert page <= len(whole) // 4096
        whole[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
        path.write_bytes(whole)

        async def story(store: Store) -> None:
            if page in MAPS:
                with pytest.raises(DataError, match="Move the file away"):
                    await read(store)
                return
            found = await read(store)
            assert store.damage
            await renewed(store, found)
            await use_all_of(store)

        run(path, story)

    @pytest.mark.parametrize(
        "damage",
        [
            "UPDATE cluster SET value = '00000000000000ff' WHERE value = '00000000000000aa'",
            "UPDATE cluster SET kind = 'settled' WHERE value = '00000000000000aa'",
            "DELETE FROM cluster WHERE value = '00000000000000aa'; "
            "UPDATE sums SET entries = 3 WHERE name = 'cluster'",
        ],
    )
    def test_a_node_that_has_lost_an_id_finds_its_cluster_anew(
        self, tmp_path: Path, damage: str
    ) -> None:
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE, Changes(ids=IDS, settled=True)))
        spoil(path, damage)

        async def story(store: Store) -> None:
            assert await identity(store) == (IDS - {"00000000000000aa"}, False)
            assert store.damage == ["the ids of the cluster: 2 can be read, others can't"]

        run(path, story)

    def test_damaged_days_are_noticed_and_the_rest_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "x.sqlite"
        days = ((20_000, "v", 2), (20_000, "w", 3))
        run(path, lambda store: write(store, WHOLE._replace(days=days)))
        spoil(path, "UPDATE days SET views = 9 WHERE video = 'v'")

        async def story(store: Store) -> None:
            found = await read(store)
            assert found == WHOLE._replace(days=days[1:])
            assert store.damage == ["the days: 1 entries can be read, and others can't"]

        run(path, story)

    @pytest.mark.parametrize("column", ["key", "video", "taken_by"])
    def test_a_damaged_pending_view_is_noticed_and_the_others_are_kept(
        self, tmp_path: Path, column: str
    ) -> None:
        path = tmp_path / "ratchet.sqlite"
        pending = {key: Pending("v", 1, "0" * 16, False, at) for at, key in enumerate((K, L, M))}
        run(path, lambda store: store.write(Changes(pending=pending)))
        spoil(path, f"UPDATE pending SET {column} = CAST(x'20ff' AS TEXT) WHERE key = '{L}'")

        async def story(store: Store) -> None:
            found = {key for part in [part async for part in store.load()] for key in part.pending}
            assert found == {K, M}
            assert store.damage == ["pending views: 2 can be read, and others can't"]

        run(path, story)

    def test_a_file_without_the_ids_and_with_a_table_of_another_is_not_used(
        self, tmp_path: Path
    ) -> None:
        """A flipped bit in the name of a table must not make it vanish."""
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, Changes(ids=IDS)))
        spoil(path, "ALTER TABLE cluster RENAME TO clusteq")
        with pytest.raises(DataError, match="its tables are not as they were made"):
            run(path, use_all_of)
