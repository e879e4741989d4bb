"""Promises of a store in a file: room, the log, what is dropped, and a new file."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from ratchet.changes import Changes
from ratchet_server.counting import schema
from ratchet_server.counting.failures import StoreFullError
from ratchet_server.counting.store import Store

from testing.stores import IDS, WHOLE, A, column, identity, read, renewed, run, write


class TestAFile:
    def test_without_room_raises_and_has_written_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "x.sqlite"
        before = column(A, 1, ("v", 1, 1))
        run(path, lambda store: write(store, before))
        # A limit of SQLite stands in for a full disk.
        monkeypatch.setattr(schema, "CONNECTION", (*schema.CONNECTION, "PRAGMA max_page_count = 1"))

        async def story(store: Store) -> None:
            many = [(f"video-{n}", 1, n) for n in range(2, 2000)]
            for _ in range(2):
                with pytest.raises(StoreFullError):
                    await write(store, column(A, 2000, *many))
                # It can still be read, and takes what fits into its pages.
                assert await read(store) == before
            await write(store, column(A, 2, ("v", 2, 2)))
            assert await read(store) == column(A, 2, ("v", 2, 2))

        run(path, story)

    def test_a_log_that_grew_under_a_long_reader_becomes_small_again(self, tmp_path: Path) -> None:
        path = tmp_path / "x.sqlite"
        log = tmp_path / "x.sqlite-wal"

        async def story(store: Store) -> None:
            seq = 0

            async def grow(size: int) -> None:
                nonlocal seq
                while not log.exists() or log.stat().st_size < size:
                    rows = [(f"video-{n % 20_000}", n, n) for n in range(seq + 1, seq + 5001)]
                    seq += 5000
                    await write(store, column(A, seq, *rows))

            await grow(1)
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM slots").fetchall()
                await grow(40 * 2**20)
            for _ in range(3):
                seq += 1
                await write(store, column(A, seq, ("v", seq, seq)))
            assert log.stat().st_size <= 16 * 2**20

        run(path, story)

    def test_the_ids_of_the_cluster_are_kept_also_in_a_new_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, Changes(ids=IDS), Changes(settled=True)))

        async def renew(store: Store) -> None:
            assert await identity(store) == (IDS, True)
            await renewed(store, Changes(ids=IDS, settled=True))

        async def again(store: Store) -> None:
            assert await identity(store) == (IDS, True)
            assert store.damage == []

        run(path, renew)
        run(path, again)

    def test_forgotten_days_leave_it_bit_by_bit_and_are_not_read_again(
        self, tmp_path: Path
    ) -> None:
        """A day may have millions of entries, and views wait while a transaction drops them."""
        path = tmp_path / "x.sqlite"
        old = tuple((20_000, f"v{number}", 1) for number in range(2 * schema.DROPPED_DAYS + 1))
        kept = ((20_001, "v", 2),)

        async def left(store: Store) -> int:
            [(entries,)] = await store._driver.execute_fetchall("SELECT count(*) FROM days")
            return int(entries)

        async def forget(store: Store) -> None:
            await write(store, Changes(days=old + kept), Changes(newest={"a": 5}, first_day=20_001))
            assert await left(store) == schema.DROPPED_DAYS + 2

        async def go_on(store: Store) -> None:
            expected = Changes(newest={"a": 5}, first_day=20_001, days=kept)
            assert await read(store) == expected
            assert store.damage == []
            # Each start writes the maps.
            await write(store, expected._replace(days=()), column(A, 1, ("v", 1, 1)))
            assert await left(store) == 1

        run(path, forget)
        run(path, go_on)

    @pytest.mark.parametrize("step", range(5))
    def test_a_new_file_takes_the_old_ones_place_whole_however_often_the_process_dies(
        self, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It dies before one of the renamings, or after the last."""
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE))
        renames = 0
        rename = Path.rename

        def dying(self: Path, target: Path) -> Path:
            nonlocal renames
            renames += 1
            if renames > step:
                raise KeyboardInterrupt
            return rename(self, target)

        async def dies(store: Store) -> None:
            found = await read(store)
            (tmp_path / "x.sqlite-wal").write_bytes(b"")
            monkeypatch.setattr(Path, "rename", dying)
            try:
                await renewed(store, found._replace(base=(("v", 100),)))
            finally:
                monkeypatch.undo()

        with suppress(KeyboardInterrupt, ValueError, sqlite3.Error, AttributeError):
            run(path, dies)

        async def starts(store: Store) -> None:
            found = await read(store)
            assert dict(found.base) in ([{"v": 100}] if step else [{"v": 2}])
            assert found.columns == WHOLE.columns

        run(path, starts)
