"""Promises of every store, in a file or in memory."""

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from ratchet.changes import Changes, ColumnChange, Lift, Pending
from ratchet.column import Row
from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.store import Store
from ratchet_server.counting.transaction import Transaction

from testing.stores import MAX, A, B, K, L, M, column, read, run, whole, write


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """The path of the store; None for one in memory."""
    return tmp_path / "x.sqlite" if request.param == "file" else None


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

    def test_pending_views_come_back_the_oldest_first(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            views = {key: Pending("v", 1, "p", False, since) for key, since in (("a", 2), ("b", 1))}
            await write(store, Changes(pending=views))
            found = [key async for part in store.load() for key in part.pending]
            assert found == ["b", "a"]

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

    def test_a_new_file_may_know_all_days(self, path: Path | None) -> None:
        async def story(store: Store) -> None:
            assert (await read(store)).first_day == 0

        run(path, story)
