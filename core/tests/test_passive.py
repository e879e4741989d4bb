"""A browser's replica: whatever it has stored and receives, its number is never above the truth and
never falls."""

import json
from collections import Counter as Tally
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ratchet import passive, snapshot
from ratchet.counter import Counter
from ratchet.generations import Generations, join
from ratchet.names import Invalid
from ratchet.passive import Passive
from ratchet.slot import Slot
from ratchet.snapshot import Snapshot
from strategies import json_values, small_counters, small_generations, snapshots

A1, A2, B1 = Slot("a", 1), Slot("a", 2), Slot("b", 1)


class Merged(NamedTuple):
    """The result of `passive.merge`, in the form in which a browser stores it."""

    counter: str
    folded: str
    value: int
    discarded: list[str]

    @classmethod
    def of(cls, text: str) -> Self:
        result = json.loads(text)
        counter = json.dumps({"base": result["base"], "slots": result["slots"]})
        return cls(counter, json.dumps(result["folded"]), result["value"], result["discarded"])


NOTHING: Final = Merged("", "", 0, [])


def _text(base: int, slots: dict[Slot, int], folded: Mapping[str, int], video: str = "tide") -> str:
    return json.dumps(snapshot.encode(Snapshot(video, Counter(base, slots), Generations(folded))))


def _merge(stored: Merged, received: str, video: str = "tide") -> Merged:
    return Merged.of(passive.merge(video, stored.counter, stored.folded, received))


class TestMergeOfTexts:
    def test_of_nothing_and_nothing_is_0(self) -> None:
        result = json.loads(passive.merge("tide", "", "", ""))
        assert result == {
            "video": "tide", "base": 0, "slots": {}, "folded": {}, "value": 0, "discarded": []
        }  # fmt: skip

    def test_of_a_stored_state_and_nothing_is_the_stored_state(self) -> None:
        stored = _merge(NOTHING, _text(4, {A1: 3}, {"b": 1}))
        assert _merge(stored, "") == stored

    def test_adds_up_slots_and_takes_the_larger_of_each(self) -> None:
        stored = _merge(NOTHING, _text(0, {A1: 7, B1: 10}, {}))
        assert _merge(stored, _text(0, {A1: 4, B1: 6}, {})).value == 17
        assert _merge(stored, _text(0, {A1: 8, B1: 6}, {})).value == 18

    def test_allows_the_field_node_beside_the_four_others(self) -> None:
        received = json.loads(_text(1, {}, {})) | {"node": "a"}
        assert _merge(NOTHING, json.dumps(received)).value == 1

    def test_with_a_stale_node_changes_nothing(self) -> None:
        fresh = _merge(NOTHING, _text(0, {A1: 9, B1: 4}, {}))
        stale = _merge(fresh, _text(0, {A1: 2}, {}))
        assert stale == fresh

    def test_lifts_the_stored_counter_by_folds_that_come_a_year_later(self) -> None:
        year_old = _merge(NOTHING, _text(0, {A1: 7, B1: 3}, {}))
        now = _merge(year_old, _text(12, {A2: 5}, {"a": 1, "b": 1}))
        assert now.value == 17
        assert json.loads(now.counter) == {"base": 12, "slots": {"a@2": 5}}

    def test_lifts_the_counter_of_a_stale_node_by_the_stored_folds(self) -> None:
        now = _merge(NOTHING, _text(12, {A2: 5}, {"a": 1, "b": 1}))
        assert _merge(now, _text(0, {A1: 7, B1: 3}, {})) == now

    def test_gives_two_tabs_the_same_state_in_any_order_of_storing(self) -> None:
        one, two = _text(0, {A1: 7, B1: 3}, {}), _text(7, {A2: 1, B1: 2}, {"a": 1})
        this, that = _merge(_merge(NOTHING, one), two), _merge(_merge(NOTHING, two), one)
        assert json.loads(this.counter) == json.loads(that.counter)
        assert (this.folded, this.value) == (that.folded, that.value) == ('{"a": 1}', 11)

    def test_shares_folded_among_videos(self) -> None:
        # `folded` came with another video. This video's counter is lifted at its next merge.
        tide = _merge(NOTHING, _text(0, {A1: 7}, {}))
        moss = Merged.of(passive.merge("moss", "", tide.folded, _text(2, {}, {"a": 1}, "moss")))
        later = Merged.of(passive.merge("tide", tide.counter, moss.folded, _text(7, {}, {"a": 1})))
        assert later.value == 7

    @pytest.mark.parametrize(
        "received",
        [
            _text(1, {}, {}, "moss"),
            "garbage",
            "{}",
            "[]",
            "null",
            _text(1, {}, {})[:-1],
            _text(1, {}, {}).replace("1", "-1", 1),
            _text(1, {}, {}).replace("1", "1.0", 1),
            _text(1, {}, {}).replace("1", str(2**53), 1),
            _text(1, {A1: 1}, {}).replace("a@1", "a@01"),
            json.dumps(json.loads(_text(1, {}, {})) | {"value": 1}),
            " " * (snapshot.MAX_TEXT + 1),
        ],
    )
    def test_refuses_garbage_and_other_videos_in_what_is_received(self, received: str) -> None:
        with pytest.raises(Invalid):
            passive.merge("tide", "", "", received)

    @pytest.mark.parametrize("video", ["", "a/b", "v" * 65, "\ud800"])
    @pytest.mark.parametrize("stored", ["", '{"base": 1, "slots": {}}'])
    def test_refuses_an_invalid_video_id(self, video: str, stored: str) -> None:
        with pytest.raises(Invalid):
            passive.merge(video, stored, "{}", "")


GARBAGE: Final = [
    "garbage", "null", "[]", "7", '"text"', "{", '{"base": 1}', '{"base": -1, "slots": {}}',
    '{"base": 1.5, "slots": {}}', '{"base": true, "slots": {}}', '{"base": 1, "slots": []}',
    '{"base": 1, "slots": {"a@01": 1}}', '{"base": 1, "slots": {"a@1": "1"}}',
    '{"base": 1, "slots": {}, "slots": {}}', '{"base": 1, "slots": {}, "extra": 1}',
    f'{{"base": {2**53}, "slots": {{}}}}', "9" * 5000, "[" * 100_000, "\ud800",
    " " * (snapshot.MAX_TEXT + 1),
]  # fmt: skip
GARBAGE_FOLDED: Final = [
    *(text for text in GARBAGE if text != '{"base": 1}'),  # A valid map: of a node named base.
    '{"A": 1}', '{"a": -1}', '{"a": 1.0}', '{"a": true}', '{"a": null}', '{"a@1": 1}',
    '{"a": 1, "a": 2}',
]  # fmt: skip


class TestGarbageInStorage:
    @pytest.mark.parametrize("garbage", [*GARBAGE, "{}"])
    def test_in_the_counter_is_discarded_and_named(self, garbage: str) -> None:
        merged = Merged.of(
            passive.merge("tide", garbage, '{"b": 1}', _text(3, {A1: 2, B1: 3}, {"b": 1}))
        )
        assert (merged.value, merged.discarded) == (8, ["counter"])

    @pytest.mark.parametrize("garbage", GARBAGE_FOLDED)
    def test_in_folded_discards_the_counter_with_it(self, garbage: str) -> None:
        # The counter may have been lifted by folds that are unknown now: its base has a@1.
        merged = Merged.of(
            passive.merge("tide", '{"base": 7, "slots": {}}', garbage, _text(0, {A1: 7}, {}))
        )
        assert (merged.value, sorted(merged.discarded)) == (7, ["counter", "folded"])

    def test_in_folded_without_a_counter_is_named_alone(self) -> None:
        assert _merge(Merged("", "garbage", 0, []), "").discarded == ["folded"]

    def test_with_folded_missing_counts_nothing_twice(self) -> None:
        # `folded` is gone: somebody has deleted it in the developer tools, or half was evicted.
        merged = Merged.of(
            passive.merge("tide", '{"base": 7, "slots": {}}', "", _text(0, {A1: 7}, {}))
        )
        assert merged.value == 7

    @given(st.text() | json_values.map(json.dumps), st.text() | json_values.map(json.dumps))
    def test_of_any_kind_never_keeps_out_what_a_node_sends(self, counter: str, folded: str) -> None:
        merged = Merged.of(passive.merge("tide", counter, folded, _text(3, {A1: 4}, {"b": 9})))
        assert merged.value >= 7

    @given(st.text() | json_values.map(json.dumps))
    def test_what_is_received_raises_nothing_but_invalid(self, received: str) -> None:
        with suppress(Invalid):
            passive.merge("tide", "", "", received)


class TestSnapshots:
    @given(snapshots)
    def test_are_the_same_after_encoding_and_decoding(self, before: Snapshot) -> None:
        assert snapshot.decode(json.dumps(snapshot.encode(before))) == before

    @given(small_counters, small_generations)
    def test_of_a_browser_lift_every_folded_slot(self, x: Counter, folded: Generations) -> None:
        replica = Passive()
        value = replica.receive(Snapshot("tide", x, folded)).value
        assert value == x.value
        after = replica.snapshot("tide")
        assert not any(after.folded.covers(slot) for slot in after.counter.slots)
        assert after.counter.value == value


# A history of one video: views, restarts that open a new slot, and folds of the earlier slots.
steps: Final = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.sampled_from("abc"), st.integers(1, 9)),
        st.tuples(st.just("restart"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("fold"), st.sampled_from("abc"), st.just(0)),
    ),
    max_size=40,
)


def _snapshots(history: list[tuple[str, str, int]], late: int) -> list[tuple[int, str]]:
    """After each step: the truth, and the snapshot of a node, for each of two nodes.

    One node is up to date. The other is `late` steps behind, like a node that was cut off: its
    folds, base and slots are all of that earlier time.
    """
    generation = dict.fromkeys("abc", 1)
    views: Tally[Slot] = Tally()
    folded = Generations()
    snapshots = [(0, _text(0, {}, {}))]
    for step, node, n in history:
        if step == "count":
            views[Slot(node, generation[node])] += n
        elif step == "restart":
            generation[node] += 1
        else:
            folded = join(folded, {node: generation[node] - 1})
        counter = Counter(0, dict(views)).lift(folded)
        snapshots.append((views.total(), _text(counter.base, dict(counter.slots), folded)))
    behind = [snapshots[max(0, at - late)][1] for at in range(len(snapshots))]
    return [(truth, text) for (truth, now), then in zip(snapshots, behind, strict=True)
            for text in (now, then)]  # fmt: skip


class TestAnySequenceOfSnapshots:
    @given(steps, st.integers(0, 40), st.data())
    def test_never_lets_the_number_fall_or_rise_above_the_truth(
        self, history: list[tuple[str, str, int]], late: int, data: st.DataObject
    ) -> None:
        snapshots = _snapshots(history, late)
        order = data.draw(st.lists(st.integers(0, len(snapshots) - 1), max_size=30))
        stored, latest = NOTHING, 0
        for at in order:
            truth, text = snapshots[at]
            latest = max(latest, truth)
            merged = _merge(stored, text)
            assert stored.value <= merged.value <= latest
            assert merged.discarded == []
            stored = merged
        # The last snapshot of the node that is up to date brings the truth.
        truth, last = snapshots[-2]
        assert _merge(stored, last).value == truth

    @given(steps, st.data())
    def test_gives_every_order_the_same_end(
        self, history: list[tuple[str, str, int]], data: st.DataObject
    ) -> None:
        snapshots = [text for _, text in _snapshots(history, 3)]
        order = data.draw(st.permutations(snapshots))
        one = two = NOTHING
        for text in snapshots:
            one = _merge(one, text)
        for text in order:
            two = _merge(two, text)
        assert one.value == two.value
        assert json.loads(one.counter) == json.loads(two.counter)
