"""Promises of every store, in a file or in memory; and those of a file, across a restart."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet_server.counting import schema
from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.store import Store, StoreFullError

MAX = 2**53 - 1
A, B = Slot("a", 5), Slot("b", 7)

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
        async with store.transaction() as transaction:
            await transaction.write(changes)


async def read(store: Store) -> Changes:
    """Everything that is in the store, as one `Changes`."""
    uptos: dict[Slot, int] = {}
    rows: dict[Slot, list[Row]] = {}
    base: list[tuple[str, int]] = []
    maps: list[dict[str, int]] = [{}, {}, {}, {}]
    async for part in store.load():
        for slot, upto, some in part.columns:
            uptos[slot] = max(upto, uptos.get(slot, 0))
            rows.setdefault(slot, []).extend(some)
        base += part.base
        for known, entries in zip(maps, maps_of(part), strict=True):
            known.update(entries)
    columns = tuple(ColumnChange(slot, uptos[slot], tuple(rows[slot])) for slot in sorted(uptos))
    return Changes(columns, tuple(sorted(base)), (), *maps)


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
            with suppress(ZeroDivisionError):
                async with store.transaction() as transaction:
                    await transaction.remember_keys({"k": "v"}, 0, 100)
                    await transaction.write(column(B, 1, ("v", 1, 1)))
                    await transaction.write(Changes(lifts=(whole(A),), folded={"a": 5}))
                    raise ZeroDivisionError
            assert await read(store) == before
            # The store has forgotten the ids that it learned in that transaction.
            await write(store, column(B, 2, ("w", 1, 2)))
            assert (await read(store)).columns == (
                *before.columns,
                ColumnChange(B, 2, (Row("w", 1, 2),)),
            )
            async with store.transaction() as transaction:
                assert await transaction.known_keys(["k"], 0) == {}

        run(path, story)

    def test_keys_are_known_until_they_expire(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            async with store.transaction() as transaction:
                await transaction.remember_keys({"k": "v", "l": "w"}, 0, 100)
                assert await transaction.known_keys(["k"], 0) == {"k": "v"}
            async with store.transaction() as transaction:
                known = await transaction.known_keys(["k", "l", "m"], 99)
                assert known == {"k": "v", "l": "w"}
                assert await transaction.known_keys(["k", "l"], 100) == {}
                assert await transaction.known_keys([], 0) == {}
                # An expired key may be used again, for another video.
                await transaction.remember_keys({"k": "other"}, 100, 200)
            async with store.transaction() as transaction:
                assert await transaction.known_keys(["k", "l"], 0) == {"k": "other"}

        run(path, story)

    def test_50_000_keys_fit_into_one_transaction(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            keys = {f"{n:036}": "v" for n in range(50_000)}
            async with store.transaction() as transaction:
                await transaction.remember_keys(keys, 0, 100)
            async with store.transaction() as transaction:
                assert await transaction.known_keys(keys, 0) == keys

        run(path, story)


# -- against a model ---------------------------------------------------------------------------

VIDEOS = st.sampled_from(["u", "v", "w", "0", "-", "A" * 64])
SLOTS = st.builds(Slot, st.sampled_from(["a", "b"]), st.integers(1, 3))
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
            lifts.append(Lift(slot, tuple(draw(st.lists(VIDEOS, max_size=3, unique=True))), last))
            gone.add(slot)
        base = tuple(draw(st.dictionaries(VIDEOS, st.integers(0, 2**40), max_size=2)).items())
        maps = [draw(GENERATIONS) for _ in range(4)]
        history.append(Changes(tuple(columns), base, tuple(lifts), *maps))
    return history


def model(history: Iterable[Changes]) -> Changes:
    """What a store should have after `history`, as the docstring of `Changes` says."""
    uptos: dict[Slot, int] = {}
    rows: dict[tuple[Slot, str], Row] = {}
    base: dict[str, int] = {}
    maps: list[dict[str, int]] = [{}, {}, {}, {}]
    for changes in history:
        for slot, upto, some in changes.columns:
            uptos[slot] = upto
            rows |= {(slot, row.video): row for row in some}
        for video, views in changes.base:
            base[video] = max(views, base.get(video, 0))
        for slot, videos, last in changes.lifts:
            for at in [at for at in rows if at[0] == slot and (last or at[1] in videos)]:
                row = rows.pop(at)
                base[row.video] = min(base.get(row.video, 0) + row.views, MAX)
            if last:
                uptos.pop(slot, None)
        for known, entries in zip(maps, maps_of(changes), strict=True):
            known |= {node: max(g, known.get(node, 0)) for node, g in entries.items()}
    columns = tuple(
        ColumnChange(
            slot,
            uptos[slot],
            tuple(sorted((r for (s, _), r in rows.items() if s == slot), key=lambda r: r.seq)),
        )
        for slot in sorted(uptos)
    )
    return Changes(columns, tuple(sorted(base.items())), (), *maps)


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


async def use_all_of(store: Store) -> None:
    """Touch every table and index."""
    await read(store)
    await write(store, column(B, 1, ("v", 2, 1)))
    async with store.transaction() as transaction:
        await transaction.known_keys(["k"], 0)
        await transaction.remember_keys({"k": "v"}, 0, 1)


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

    @pytest.mark.parametrize(
        "damage",
        [
            "UPDATE rows SET views = views + 1000",
            "UPDATE rows SET seq = seq + 1",
            "UPDATE rows SET video = 'other'",
            "UPDATE slots SET upto = upto + 1",
            "UPDATE slots SET node = 'b'",
            "UPDATE slots SET generation = generation + 1",
            "UPDATE base SET views = views + 1",
            "UPDATE base SET video = 'other'",
            "UPDATE generations SET generation = generation + 1 WHERE kind = 'heard'",
            "UPDATE generations SET kind = 'folded' WHERE kind = 'closed'",
            "INSERT INTO generations (kind, node, generation, crc) VALUES ('else', 'a', 1, 0)",
        ],
    )
    def test_with_a_changed_row_is_refused(self, tmp_path: Path, damage: str) -> None:
        path = tmp_path / "x.sqlite"
        whole = column(A, 1, ("v", 1, 1))._replace(
            base=(("v", 2),), newest={"a": 5}, closed={"a": 4}
        )
        run(path, lambda store: write(store, whole))
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            assert database.execute(damage).rowcount == 1

        async def story(store: Store) -> None:
            with pytest.raises(DataError, match="fails its checksum"):
                await read(store)

        run(path, story)

    @pytest.mark.parametrize("page", range(2, 9))
    def test_with_a_page_of_noise_is_refused(self, tmp_path: Path, page: int) -> None:
        path = tmp_path / "x.sqlite"
        run(path, lambda store: write(store, column(A, 1, ("v", 1, 1))))
        whole = bytearray(path.read_bytes())
        whole[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
        path.write_bytes(whole)

        async def story(store: Store) -> None:
            with pytest.raises(DataError, match=r"x\.sqlite"):
                await use_all_of(store)

        run(path, story)
