"""The laws that make it a CRDT: those of merge, for each type that is merged, and those of lift."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ratchet.algebra import Semilattice
from ratchet.base import Base
from ratchet.column import Column, Row
from ratchet.counter import Counter
from ratchet.generations import Generations, join
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot
from strategies import (
    counters,
    counts,
    generations,
    nodes,
    small_counters,
    small_generations,
    videos,
)

S = TypeVar("S", bound=Semilattice)
Triple = tuple[S, S, S]

# The history of one slot: the video of each change. Its count is how often it came up so far.
histories = st.lists(st.sampled_from(["tide", "moss", "fern"]), max_size=30)
entries = st.lists(
    st.tuples(st.one_of(st.sampled_from(["tide", "moss"]), videos), counts), max_size=8
)


def _history(changes: list[str]) -> list[Row]:
    return [Row(video, changes[:seq].count(video), seq) for seq, video in enumerate(changes, 1)]


def _column(rows: list[Row]) -> Column:
    column = Column(Slot("a", 1))
    column.merge(rows)
    return column


def _base(*parts: list[tuple[str, int]]) -> Base:
    base = Base()
    for part in parts:
        base.merge(part)
    return base


@st.composite
def _columns(draw: st.DrawFn) -> Triple[Column]:
    """Three replicas of one column. Each has some of its owner's rows."""
    history = _history(draw(histories))
    some = st.lists(st.sampled_from(history)) if history else st.just([])
    return _column(draw(some)), _column(draw(some)), _column(draw(some))


def _three(values: st.SearchStrategy[S]) -> st.SearchStrategy[Triple[S]]:
    return st.tuples(values, values, values)


def _merged(one: S, other: S) -> S:
    """A copy of `one` that has merged `other`."""
    copy = deepcopy(one)
    result = copy.merge(other)
    return result if isinstance(one, Counter) else copy  # type: ignore[return-value]


def _numbers(value: Semilattice) -> Mapping[Any, int]:
    """The numbers of a value. A merge takes the larger of each."""
    match value:
        case Counter():
            return {"base": value.base, **{str(slot): n for slot, n in value.slots.items()}}
        case Column():
            return {row.video: row.views for row in value}
        case Base() | Generations():
            return dict(value)
    raise AssertionError(value)


def _number(value: Semilattice, key: Any) -> int:
    """One of the numbers of a value, -1 where it has none."""
    return value[key] if isinstance(value, Generations) else _numbers(value).get(key, -1)


ALGEBRAS: Final[
    dict[str, tuple[st.SearchStrategy[Triple[Semilattice]], Callable[[], Semilattice]]]
] = {
    "counters": (_three(counters), Counter),
    "columns": (_columns(), lambda: Column(Slot("a", 1))),
    "bases": (_three(entries.map(_base)), Base),
    "generations": (_three(generations), Generations),
}


@pytest.mark.parametrize("name", ALGEBRAS)
class TestMerge:
    """The laws of `ratchet.algebra`. (For counters they hold where both were lifted by the same
    `folded`; every replica does that first.)"""

    @given(data=st.data())
    def test_is_commutative(self, name: str, data: st.DataObject) -> None:
        x, y, _ = data.draw(ALGEBRAS[name][0])
        assert _numbers(_merged(x, y)) == _numbers(_merged(y, x))

    @given(data=st.data())
    def test_is_associative(self, name: str, data: st.DataObject) -> None:
        x, y, z = data.draw(ALGEBRAS[name][0])
        left, right = _merged(_merged(x, y), z), _merged(x, _merged(y, z))
        assert _numbers(left) == _numbers(right)

    @given(data=st.data())
    def test_is_idempotent(self, name: str, data: st.DataObject) -> None:
        x, y, _ = data.draw(ALGEBRAS[name][0])
        assert _numbers(_merged(x, x)) == _numbers(x)
        assert _numbers(_merged(_merged(x, y), y)) == _numbers(_merged(x, y))

    @given(data=st.data())
    def test_lowers_no_number_and_invents_none(self, name: str, data: st.DataObject) -> None:
        x, y, _ = data.draw(ALGEBRAS[name][0])
        both = _merged(x, y)
        for key in {*_numbers(x), *_numbers(y), *_numbers(both)}:
            assert _number(both, key) == max(_number(x, key), _number(y, key))

    @given(data=st.data())
    def test_has_the_empty_one_for_its_neutral_element(
        self, name: str, data: st.DataObject
    ) -> None:
        triples, empty = ALGEBRAS[name]
        x, _, _ = data.draw(triples)
        assert _numbers(_merged(x, empty())) == _numbers(_merged(empty(), x)) == _numbers(x)

    @given(data=st.data())
    def test_leaves_the_other_as_it_was(self, name: str, data: st.DataObject) -> None:
        x, y, _ = data.draw(ALGEBRAS[name][0])
        before = _numbers(y)
        _merged(x, y)
        assert _numbers(y) == before


class TestMergeOfCounters:
    @given(counters, counters)
    def test_never_lowers_the_value(self, x: Counter, y: Counter) -> None:
        assert x.merge(y).value >= max(x.value, y.value)

    @given(counters, counters)
    def test_leaves_both_as_they_were(self, x: Counter, y: Counter) -> None:
        before = (x.base, dict(x.slots), y.base, dict(y.slots))
        x.merge(y)
        assert (x.base, dict(x.slots), y.base, dict(y.slots)) == before


class TestLift:
    @given(counters, generations)
    def test_keeps_the_value(self, x: Counter, folded: Generations) -> None:
        assert x.lift(folded).value == x.value

    @given(counters, generations)
    def test_is_idempotent(self, x: Counter, folded: Generations) -> None:
        assert x.lift(folded).lift(folded) == x.lift(folded)

    @given(small_counters, small_generations)
    def test_leaves_no_folded_slot_and_touches_no_other(
        self, x: Counter, folded: Generations
    ) -> None:
        lifted = x.lift(folded)
        assert lifted.slots == {s: n for s, n in x.slots.items() if not folded.covers(s)}

    @given(counters, generations, generations)
    def test_by_one_fold_after_another_is_lift_by_both(
        self, x: Counter, f: Generations, g: Generations
    ) -> None:
        assert x.lift(f).lift(g) == x.lift(g).lift(f) == x.lift(join(f, g))

    @given(small_counters, small_counters, small_generations)
    def test_commutes_with_merge_where_both_hold_the_same_of_every_folded_slot(
        self, x: Counter, y: Counter, folded: Generations
    ) -> None:
        # A fold waits for this (`ratchet.folding`). Then it doesn't matter when each replica lifts.
        shared = {s: n for s, n in x.slots.items() if folded.covers(s)}
        own = {s: n for s, n in y.slots.items() if not folded.covers(s)}
        x, y = x._replace(base=7), Counter(7, {**shared, **own})
        assert x.merge(y).lift(folded) == x.lift(folded).merge(y.lift(folded))

    @given(small_counters, small_counters, small_generations)
    def test_before_merge_gives_at_most_what_lift_after_merge_does_and_at_least_either_side(
        self, x: Counter, y: Counter, folded: Generations
    ) -> None:
        # Without that agreement nothing counts twice, and no value falls.
        merged = x.lift(folded).merge(y.lift(folded)).value
        assert max(x.value, y.value) <= merged <= x.merge(y).lift(folded).value

    @given(small_counters, small_counters, small_counters, small_generations, small_generations)
    def test_then_merge_is_commutative_idempotent_and_associative_for_equal_folded(
        self, x: Counter, y: Counter, z: Counter, f: Generations, g: Generations
    ) -> None:
        folded = join(f, g)
        x, y, z = (each.lift(f).lift(folded) for each in (x, y, z))
        assert x.merge(y) == y.merge(x)
        assert x.merge(y).merge(y) == x.merge(y)
        assert x.merge(y).merge(z) == x.merge(y.merge(z))
        # A lifted slot stays lifted: a merge brings it not back.
        assert x.merge(y).lift(folded) == x.merge(y)


class TestAdd:
    @given(small_counters, st.integers(1, 99))
    def test_raises_the_value_by_what_is_added(self, x: Counter, views: int) -> None:
        assert x.add(Slot("a", 9), views).value == x.value + views

    def test_stays_at_the_largest_count_instead_of_overflowing(self) -> None:
        full = Counter(0, {Slot("a", 1): MAX_COUNT})
        assert full.add(Slot("a", 1)).value == MAX_COUNT
        assert full.add(Slot("b", 1)).lift(Generations(a=1, b=1)) == Counter(MAX_COUNT, {})


class TestGenerations:
    @given(generations, generations, st.builds(Slot, st.sampled_from("abc"), st.integers(0, 6)))
    def test_joined_cover_what_either_covers(
        self, f: Generations, g: Generations, slot: Slot
    ) -> None:
        assert join(f, g).covers(slot) == (f.covers(slot) or g.covers(slot))

    @given(generations, generations)
    def test_merge_returns_what_was_news(self, f: Generations, g: Generations) -> None:
        before = Generations(f)
        news = f.merge(g)
        assert {slot.node for slot in news} == {n for n in {*before, *f} if f[n] != before[n]}
        assert all(not before.covers(slot) and f.covers(slot) for slot in news)

    def test_with_generation_0_differ_from_empty_ones(self) -> None:
        assert Generations(a=0).covers(Slot("a", 0))
        assert not Generations().covers(Slot("a", 0))
        assert join({}, {"a": 0}) == {"a": 0}

    @given(generations, generations, nodes)
    def test_take_the_larger_of_every_name_listed_or_not(
        self, f: Generations, g: Generations, node: str
    ) -> None:
        assert join(f, g)[node] == max(f[node], g[node])

    def test_forget_a_name_at_the_floor_and_keep_one_below_it(self) -> None:
        young, old = Generations({"a": 31, "b": 7, "c": 3}), Generations({"*": 20, "b": 7, "d": 0})
        assert join(young, old) == join(old, young) == {"*": 20, "a": 31, "b": 7, "d": 0}
        # An exception meets the floor of a map that does not list it.
        assert join({"*": 5}, old) == {"*": 20, "b": 7, "d": 5}

    @given(generations, generations)
    def test_are_equal_as_dicts_exactly_when_they_are_equal_as_functions(
        self, f: Generations, g: Generations
    ) -> None:
        names = {*f, *g}
        assert (f == g) == all(f[name] == g[name] for name in names)


def _state(column: Column) -> tuple[int, dict[str, int]]:
    return column.fingerprint, {row.video: row.views for row in column}


class TestMergeOfColumns:
    @given(histories, st.data())
    def test_of_any_rows_in_any_order_any_number_of_times_gives_the_largest_of_each(
        self, changes: list[str], data: st.DataObject
    ) -> None:
        history = _history(changes)
        order = data.draw(st.permutations(history))
        some = data.draw(st.lists(st.sampled_from(history), max_size=9)) if history else []
        one, two = Column(Slot("a", 1)), Column(Slot("a", 1))
        for rows in (some, order, some):
            one.merge(rows)
        two.merge(history)
        assert _state(one) == _state(two)
        assert _state(one)[1] == {video: changes.count(video) for video in changes}
        # Both give the rows in the order in which the owner changed them.
        assert list(one) == list(two) == sorted(two, key=lambda row: row.seq)

    @given(histories, st.data())
    def test_returns_the_rows_that_were_larger(
        self, changes: list[str], data: st.DataObject
    ) -> None:
        column = Column(Slot("a", 1))
        for row in data.draw(st.permutations(_history(changes))):
            before = column.views(row.video)
            assert column.merge([row]) == ([row] if row.views > before else [])
            assert column.views(row.video) == max(row.views, before)
            assert column.merge([row]) == []

    @given(histories, histories)
    def test_has_equal_fingerprints_exactly_for_equal_counts(
        self, x: list[str], y: list[str]
    ) -> None:
        one, two = Column(Slot("a", 1)), Column(Slot("b", 2))
        one.merge(_history(x))
        two.merge(_history(y))
        assert (sorted(x) == sorted(y)) == (one.fingerprint == two.fingerprint)
        assert 0 <= one.fingerprint < 2**64

    def test_never_lowers_a_count_even_by_a_later_row(self) -> None:
        column = Column(Slot("a", 1))
        assert column.merge([Row("tide", 5, 1), Row("tide", 3, 2)]) == [Row("tide", 5, 1)]
        assert column.views("tide") == 5

    def test_never_parts_two_rows_of_one_seq(self) -> None:
        column = Column(Slot("a", 1))
        column.merge([Row("tide", 5, 1), Row("moss", 1, 2), Row("fern", 1, 2), Row("reef", 1, 3)])
        first, more = column.above(0, 2)
        assert (first, more) == ([Row("tide", 5, 1)], True)
        assert column.above(1, 2) == ([Row("moss", 1, 2), Row("fern", 1, 2)], True)
        assert column.above(2, 2) == ([Row("reef", 1, 3)], False)
        # As many as these only a forger makes; whoever asks gets an answer all the same.
        assert column.above(1, 1) == ([Row("moss", 1, 2)], True)

    def test_claims_nothing_by_itself(self) -> None:
        column = Column(Slot("a", 1))
        column.merge([Row("tide", 5, 7)])
        assert (column.complete, column.durable) == (0, 0)

    @given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.booleans())
    def test_leaves_the_same_rows_when_the_log_is_rebuilt(
        self, picks: list[int], late: bool
    ) -> None:
        # Long enough that the log is rebuilt meanwhile. A late row makes the column sort it, too.
        changes = [f"v{pick}" for pick in picks] * (160 // len(picks))
        history, column = _history(changes), Column(Slot("a", 1))
        if late:
            column.merge([Row("w", 1, 200)])
        for row in history:
            column.merge([row])
            assert all(column.views(v) == changes[: row.seq].count(v) for v in set(changes))
            assert [each.seq for each in column] == sorted(each.seq for each in column)
        newest = {row.video: row for row in [*history, *([Row("w", 1, 200)] if late else [])]}
        rows = sorted(newest.values(), key=lambda row: row.seq)
        for above in (0, len(history) - 2, len(history), 200):
            higher = [row for row in rows if row.seq > above]
            assert column.above(above, 1000) == (higher, False)
            assert column.above(above, 1) == (higher[:1], len(higher) > 1)


class TestMergeOfBases:
    def test_takes_the_larger_of_two_entries_in_one_frame_too(self) -> None:
        assert dict(_base([("tide", 5), ("tide", 3)])) == {"tide": 5}

    @given(entries, entries)
    def test_returns_the_videos_that_grew(
        self, x: list[tuple[str, int]], y: list[tuple[str, int]]
    ) -> None:
        base = _base(x)
        before = dict(base)
        grown = base.merge(y)
        assert set(grown) == {video for video, n in base if n > before.get(video, 0)}

    @given(entries, entries)
    def test_has_equal_fingerprints_exactly_for_equal_bases(
        self, x: list[tuple[str, int]], y: list[tuple[str, int]]
    ) -> None:
        one, two = _base(x), _base(y)
        assert (dict(one) == dict(two)) == (one.fingerprint == two.fingerprint)
        assert _base(x, y).fingerprint == _base(y, x, y).fingerprint
        assert 0 <= one.fingerprint < 2**64
