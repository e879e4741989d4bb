"""Any history leaves a store with what a plain model of it has, also after a restart."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet_server.counting.store import Store

from testing.stores import MAX, maps_of, read, run, write

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
