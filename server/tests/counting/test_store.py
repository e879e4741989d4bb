"""Promises of every store, in a file or in memory; and those of a file, across a restart."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Row
from ratchet.days import day_at
from ratchet.slot import Slot
from ratchet_server.counting import schema
from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.failures import StoreFullError, StoreLostError
from ratchet_server.counting.store import Store
from ratchet_server.counting.transaction import Transaction

MAX = 2**53 - 1
A, B = Slot("a", 5), Slot("b", 7)
K, L, M = (f"00000000-0000-4000-8000-00000000000{n}" for n in range(3))
IDS = frozenset({"00000000000000aa", "00000000000000bb"})

Story = Callable[[Store], Awaitable[None]]


def run(path: Path | None, story: Story) -> None:
    """Open the store, run `story` on it, and close it."""

    async def whole() -> None:
        store = await Store.open(path)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """The path of the store; None for one in memory."""
    return tmp_path / "x.sqlite" if request.param == "file" else None


async def write(store: Store, *all_changes: Changes) -> None:
    for changes in all_changes:
        await store.write(changes)


async def read(store: Store) -> Changes:
    """Everything that is in the store, as one `Changes`."""
    uptos: dict[Slot, int] = {}
    rows: dict[Slot, list[Row]] = {}
    base: list[tuple[str, int]] = []
    days: list[tuple[int, str, int]] = []
    first_day = 0
    maps: list[dict[str, int]] = [{}, {}, {}, {}]
    async for part in store.load():
        for slot, upto, some in part.columns:
            uptos[slot] = max(upto, uptos.get(slot, 0))
            rows.setdefault(slot, []).extend(some)
        base += part.base
        days += part.days
        first_day = max(first_day, part.first_day)
        for known, entries in zip(maps, maps_of(part), strict=True):
            known.update(entries)
    columns = tuple(ColumnChange(slot, uptos[slot], tuple(rows[slot])) for slot in sorted(uptos))
    return Changes(
        columns,
        tuple(sorted(base)),
        (),
        newest=maps[0],
        closed=maps[1],
        folded=maps[2],
        lifted_views=maps[3],
        first_day=first_day,
        days=tuple(sorted(days)),
    )


def maps_of(changes: Changes) -> tuple[Mapping[str, int], ...]:
    return changes.newest, changes.closed, changes.folded, changes.lifted_views


def column(slot: Slot, upto: int, *rows: tuple[str, int, int]) -> Changes:
    return Changes(columns=(ColumnChange(slot, upto, tuple(Row(*row) for row in rows)),))


def whole(slot: Slot) -> Lift:
    return Lift(slot, (), last=True)


class TestAcceptance:
    def test_an_empty_one_has_nothing(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            assert await read(store) == Changes()

        run(path, story)

    def test_everything_that_was_written_is_read_back(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            everything = Changes(
                columns=(ColumnChange(A, 9, (Row("v", 3, 4), Row("w", MAX, 9))),),
                base=(("v", MAX),),
                newest={"a": 5, "b": MAX},
                closed={"a": 4},
                folded={"a": 0},
                lifted_views={"a": 12, "c": MAX},
            )
            await write(store, everything)
            assert await read(store) == everything

        run(path, story)

    def test_rows_come_back_in_the_order_of_seq(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            await write(store, column(A, 2, ("z", 1, 1), ("a", 1, 2)), column(A, 3, ("z", 2, 3)))
            assert await read(store) == column(A, 3, ("a", 1, 2), ("z", 2, 3))

        run(path, story)

    def test_older_changes_take_nothing_back(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            newest = column(A, 5, ("v", 4, 5))._replace(base=(("v", 9),), newest={"a": 6})
            await write(store, newest)
            await write(store, column(A, 3, ("v", 2, 3))._replace(base=(("v", 8),)))
            await write(store, Changes(newest={"a": 5}))
            assert await read(store) == newest

        run(path, story)

    def test_a_lift_moves_a_whole_slot_into_the_base(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            await write(
                store,
                column(A, 2, ("v", 3, 1), ("w", 4, 2)),
                column(B, 1, ("v", 5, 1)),
                Changes(base=(("v", 10),)),
                Changes(lifts=(whole(A),), folded={"a": 5}, lifted_views={"a": 7}),
            )
            assert await read(store) == column(B, 1, ("v", 5, 1))._replace(
                base=(("v", 13), ("w", 4)), folded={"a": 5}, lifted_views={"a": 7}
            )

        run(path, story)

    def test_a_large_slot_is_lifted_part_by_part(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            await write(
                store,
                column(A, 3, ("u", 2, 1), ("v", 3, 2), ("w", 4, 3))._replace(base=(("v", 10),)),
                Changes(lifts=(Lift(A, ("w", "v"), last=False),), folded={"a": 5}),
            )
            # A process that reads this after a crash finds the rest, and goes on with it.
            assert await read(store) == column(A, 3, ("u", 2, 1))._replace(
                base=(("v", 13), ("w", 4)), folded={"a": 5}
            )
            # A repeated lift finds nothing to lift twice.
            await write(store, Changes(lifts=(Lift(A, ("w", "v"), last=False),)))
            await write(store, Changes(lifts=(Lift(A, ("u",), last=True),)))
            everything = Changes(base=(("u", 2), ("v", 13), ("w", 4)), folded={"a": 5})
            assert await read(store) == everything

        run(path, story)

    def test_the_last_part_lifts_all_rows_that_are_left(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            await write(store, column(A, 2, ("u", 2, 1), ("v", 3, 2)), column(B, 1, ("u", 7, 1)))
            await write(store, Changes(lifts=(Lift(A, (), last=True),)))
            assert await read(store) == column(B, 1, ("u", 7, 1))._replace(
                base=(("u", 2), ("v", 3))
            )
            # The same slot may be written again. The store has forgotten its old id.
            await write(store, column(A, 1, ("w", 1, 1)))
            assert (await read(store)).columns[0] == ColumnChange(A, 1, (Row("w", 1, 1),))

        run(path, story)

    def test_base_entries_that_come_with_a_lift_are_there_before_it(
        self, path: Path | None
    ) -> None:
        async def story(store: Store) -> None:
            await write(store, column(A, 1, ("v", 3, 1)))
            await write(store, Changes(base=(("v", 10),), lifts=(whole(A),)))
            assert await read(store) == Changes(base=(("v", 13),))

        run(path, story)

    def test_rows_that_come_with_their_lift_are_in_it(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            together = column(A, 1, ("v", 3, 1))._replace(lifts=(whole(A),), folded={"a": 5})
            await write(store, together)
            assert await read(store) == Changes(base=(("v", 3),), folded={"a": 5})
            # Lifting a slot that was never here, or is gone, changes nothing.
            await write(store, Changes(lifts=(whole(A), whole(B))))
            assert await read(store) == Changes(base=(("v", 3),), folded={"a": 5})

        run(path, story)

    def test_a_lift_never_exceeds_the_largest_count(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            await write(
                store,
                column(A, 1, ("v", MAX, 1)),
                Changes(base=(("v", MAX),)),
                Changes(lifts=(whole(A),)),
            )
            assert await read(store) == Changes(base=(("v", MAX),))

        run(path, story)

    @pytest.mark.parametrize("count", [-1, 2**53, 1.5, "x", None])
    def test_a_value_that_is_no_count_is_not_written(self, path: Path | None, count: int) -> None:
        async def story(store: Store) -> None:
            await write(store, column(A, 1, ("v", 1, 1)))
            for bad in (column(A, 2, ("v", count, 2)), Changes(base=(("v", count),))):
                with pytest.raises((DataError, TypeError)):
                    await write(store, bad)
            assert await read(store) == column(A, 1, ("v", 1, 1))

        run(path, story)

    def test_a_transaction_that_fails_leaves_nothing(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            before = column(A, 1, ("v", 1, 1))
            await write(store, before)

            def fail(transaction: Transaction) -> None:
                transaction.keys.put({K: "v"}, 100)
                transaction.write(column(B, 1, ("v", 1, 1)))
                transaction.write(Changes(lifts=(whole(A),), folded={"a": 5}))
                raise ZeroDivisionError

            with suppress(ZeroDivisionError):
                await store.commit(fail)
            assert await read(store) == before
            # The store has forgotten the ids that it learned in that transaction.
            await write(store, column(B, 2, ("w", 1, 2)))
            assert (await read(store)).columns == (
                *before.columns,
                ColumnChange(B, 2, (Row("w", 1, 2),)),
            )
            assert await store.known_keys([K], 0) == {}
            assert store.keys == 0

        run(path, story)

    def test_keys_are_known_until_they_expire(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            await store.commit(lambda t: t.keys.put({K: "v", L: "w"}, 100))
            assert await store.known_keys([K], 0) == {K: "v"}
            assert await store.known_keys([K, L, M], 99) == {K: "v", L: "w"}
            assert await store.known_keys([K, L], 100) == {}
            assert await store.known_keys([], 0) == {}
            # An expired key may be used again, for another video.
            await store.commit(lambda t: t.keys.put({K: "other"}, 200))
            assert await store.known_keys([K, L], 100) == {K: "other"}

        run(path, story)

    def test_50_000_keys_fit_into_one_transaction(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            keys = {str(uuid4()): f"v{n % 7}" for n in range(50_000)}
            await store.commit(lambda t: t.keys.put(keys, 100))
            assert await store.known_keys([*keys], 0) == keys
            assert store.keys == 50_000

        run(path, story)


# -- against a model ---------------------------------------------------------------------------

VIDEOS = st.sampled_from(["u", "v", "w", "0", "-", "A" * 64])
SLOTS = st.builds(Slot, st.sampled_from(["a", "b"]), st.integers(1, 3))
DAYS = st.integers(1, 4)
GENERATIONS = st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 9), max_size=2)


@st.composite
def histories(draw: st.DrawFn) -> list[Changes]:
    """Changes as a replica makes them: in each slot, counts and seqs only grow."""
    upto: dict[Slot, int] = {}
    views: dict[tuple[Slot, str], int] = {}
    gone: set[Slot] = set()
    history = []
    for _ in range(draw(st.integers(1, 6))):
        columns = []
        for slot in draw(st.lists(SLOTS, max_size=2, unique=True)):
            if slot in gone:
                continue
            rows = []
            for video in draw(st.lists(VIDEOS, max_size=3, unique=True)):
                upto[slot] = upto.get(slot, 0) + draw(st.integers(1, 3))
                views[slot, video] = views.get((slot, video), 0) + draw(st.integers(1, 2**40))
                rows.append(Row(video, views[slot, video], upto[slot]))
            if slot in upto:
                columns.append(ColumnChange(slot, upto[slot], tuple(rows)))
        lifts = []
        for slot in draw(st.lists(SLOTS, max_size=1)):
            last = draw(st.booleans())
            videos = tuple(draw(st.lists(VIDEOS, max_size=3, unique=True)))
            lifts.append(Lift(slot, videos, last, draw(st.none() | DAYS)))
            gone.add(slot)
        base = tuple(draw(st.dictionaries(VIDEOS, st.integers(0, 2**40), max_size=2)).items())
        maps = [draw(GENERATIONS) for _ in range(4)]
        days = tuple(
            (day, video, views)
            for (day, video), views in draw(
                st.dictionaries(st.tuples(DAYS, VIDEOS), st.integers(1, 2**40), max_size=2)
            ).items()
        )
        first_day = draw(st.just(0) | DAYS)
        history.append(
            Changes(
                tuple(columns),
                base,
                tuple(lifts),
                newest=maps[0],
                closed=maps[1],
                folded=maps[2],
                lifted_views=maps[3],
                first_day=first_day,
                days=days,
            )
        )
    return history


def model(history: Iterable[Changes]) -> Changes:
    """What a store should have after `history`, as the docstring of `Changes` says."""
    uptos: dict[Slot, int] = {}
    rows: dict[tuple[Slot, str], Row] = {}
    base: dict[str, int] = {}
    days: dict[tuple[int, str], int] = {}
    first_day = 0
    maps: list[dict[str, int]] = [{}, {}, {}, {}]
    for changes in history:
        for slot, upto, some in changes.columns:
            uptos[slot] = upto
            rows |= {(slot, row.video): row for row in some}
        for video, views in changes.base:
            base[video] = max(views, base.get(video, 0))
        for day, video, views in changes.days:
            days[day, video] = max(views, days.get((day, video), 0))
        for slot, videos, last, day_of_slot in changes.lifts:
            for at in [at for at in rows if at[0] == slot and (last or at[1] in videos)]:
                row = rows.pop(at)
                base[row.video] = min(base.get(row.video, 0) + row.views, MAX)
                if day_of_slot is not None:
                    there = day_of_slot, row.video
                    days[there] = min(days.get(there, 0) + row.views, MAX)
            if last:
                uptos.pop(slot, None)
        if any(maps_of(changes)):
            maps = [
                {node: max(g, known.get(node, 0)) for node, g in entries.items()}
                for known, entries in zip(maps, maps_of(changes), strict=True)
            ]
        first_day = max(first_day, changes.first_day)
        days = {at: n for at, n in days.items() if at[0] >= first_day}
    columns = tuple(
        ColumnChange(
            slot,
            uptos[slot],
            tuple(sorted((r for (s, _), r in rows.items() if s == slot), key=lambda r: r.seq)),
        )
        for slot in sorted(uptos)
    )
    return Changes(
        columns,
        tuple(sorted(base.items())),
        (),
        newest=maps[0],
        closed=maps[1],
        folded=maps[2],
        lifted_views=maps[3],
        first_day=first_day,
        days=tuple(sorted((*at, views) for at, views in days.items())),
    )


@settings(max_examples=60, deadline=None)
@given(history=histories(), in_file=st.booleans())
def test_after_any_history_a_store_equals_the_model_also_after_a_restart(
    history: list[Changes], in_file: bool
) -> None:
    async def both(store: Store) -> None:
        await write(store, *history)
        assert await read(store) == model(history)

    async def again(store: Store) -> None:
        assert await read(store) == model(history)

    with TemporaryDirectory() as folder:
        path = Path(folder, "x.sqlite") if in_file else None
        run(path, both)
        if path:
            run(path, again)


# -- a file ------------------------------------------------------------------------------------

# The pages of the maps, and of their sum.
MAPS = {6, 9}
VERSION_1 = Path(__file__).with_name("version_1.sql")
WHOLE = Changes(
    columns=(ColumnChange(A, 2, (Row("w", 2, 1), Row("v", 3, 2))),),
    base=(("v", 2),),
    newest={"a": 5},
    closed={"a": 4},
)


def spoil(path: Path, script: str) -> None:
    """Change the file behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(script)


async def renewed(store: Store, changes: Changes) -> Path:
    """Have the store write `changes` into a new file. Return where the old one is."""
    old = await store.renew([changes])
    assert old
    return old


async def identity(store: Store) -> tuple[frozenset[str], bool]:
    """The ids of the cluster, and whether it is settled."""
    parts = [part async for part in store.load()]
    return frozenset().union(*(part.ids for part in parts)), any(part.settled for part in parts)


async def use_all_of(store: Store) -> None:
    """Touch every table and index."""
    await read(store)
    await write(store, column(B, 1, ("v", 2, 1)))

    def use(transaction: Transaction) -> None:
        transaction.keys.find([K])
        transaction.keys.drop(1)
        transaction.keys.put({K: "v"}, 1)
        transaction.keys.find([K])

    await store.commit(use)


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

    def test_a_file_from_before_there_were_ids_gets_them_and_keeps_the_rest(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, WHOLE))
        spoil(
            path,
            "DROP TABLE cluster; DROP TABLE days; DROP TABLE key_groups; "
            "DELETE FROM sums WHERE name IN ('cluster', 'days')",
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
        spoil(path, "DROP TABLE key_groups; DROP TABLE days; DELETE FROM sums WHERE name = 'days'")

        async def story(store: Store) -> None:
            before = day_at(time.time_ns() // 1000)
            found = await read(store)
            assert found == WHOLE._replace(first_day=found.first_day)
            assert found.first_day in {before + 1, day_at(time.time_ns() // 1000) + 1}
            assert store.damage == []
            await write(store, Changes(lifts=(whole(A),), first_day=found.first_day + 1))
            assert (await read(store)).first_day == found.first_day + 1

        run(path, story)

    def test_a_new_file_may_know_all_days(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            assert (await read(store)).first_day == 0

        run(path, story)

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

    def test_a_file_without_the_ids_and_with_a_table_of_another_is_not_used(
        self, tmp_path: Path
    ) -> None:
        """A flipped bit in the name of a table must not make it vanish."""
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, Changes(ids=IDS)))
        spoil(path, "ALTER TABLE cluster RENAME TO clusteq")
        with pytest.raises(DataError, match="its tables are not as they were made"):
            run(path, use_all_of)

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
