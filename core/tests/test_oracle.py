"""The oracle: a few states, and the number that each must give, worked out by hand."""

import json

import pytest
from ratchet import codec, passive, snapshot
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.counter import Counter
from ratchet.frames import Alive, Digest, Extent, Hello, Rows
from ratchet.generations import Generations
from ratchet.replica import Replica
from ratchet.slot import Slot
from ratchet.snapshot import Snapshot

A, B, C = Slot("a", 1), Slot("b", 1), Slot("c", 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "value"),
    [
        ({A: 7, B: 10}, {A: 4, B: 6}, 17),
        ({A: 4, B: 10}, {A: 7, B: 6}, 17),
        ({A: 3, B: 3, C: 3}, {A: 3, B: 3, C: 3}, 9),
        ({A: 3}, {B: 3, C: 3}, 9),
        ({}, {A: 7, B: 10}, 17),
        ({}, {}, 0),
    ],
)
def test_two_states_merge_to(ours: dict[Slot, int], theirs: dict[Slot, int], value: int) -> None:
    x, y = Counter(0, ours), Counter(0, theirs)
    assert x.merge(y).value == y.merge(x).value == value


@pytest.mark.parametrize(
    ("ours", "theirs", "folded", "value"),
    [
        # b@1 is folded on one side and a slot on the other: it counts once.
        (Counter(10, {A: 7}), Counter(0, {A: 4, B: 10}), Generations(b=1), 17),
        # The late side had only a part of it.
        (Counter(10, {A: 7}), Counter(0, {A: 7, B: 6}), Generations(b=1), 17),
        # Both sides lift both slots.
        (Counter(0, {A: 7, B: 10}), Counter(0, {A: 7, B: 10}), Generations(a=1, b=1), 17),
        # A later generation of the folded name stays a slot.
        (Counter(10, {}), Counter(0, {B: 10, Slot("b", 2): 5}), Generations(b=1), 15),
    ],
)
def test_two_states_with_a_fold_merge_to(
    ours: Counter, theirs: Counter, folded: Generations, value: int
) -> None:
    x, y = ours.lift(folded), theirs.lift(folded)
    assert x.merge(y).value == y.merge(x).value == value


def test_a_state_of_5_and_7_loaded_from_text_and_counted_once_more_is_13() -> None:
    text = '{"video": "tide", "base": 0, "slots": {"a@1": 5, "b@1": 7}, "folded": {}}'
    counter = snapshot.decode(text).counter.add(A)
    assert counter.value == 13
    assert (counter.slots[A], counter.slots[B]) == (6, 7)


@pytest.mark.parametrize("slots", ['{"a@1": "5", "b@1": "7"}', '{"a@1": "05", "b@1": 17}'])
def test_numbers_as_strings_are_refused_and_not_joined(slots: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        snapshot.decode(f'{{"video": "tide", "base": 0, "slots": {slots}, "folded": {{}}}}')


def test_a_stored_replica_of_5_and_7_counts_on_to_13() -> None:
    replica = Replica(Hello("a", "0" * 16, ""), lambda: 1, lambda _: 0, 0.0)
    replica.table.restore(
        Changes(
            (
                ColumnChange(A, 5, (Row("tide", 5, 5),)),
                ColumnChange(B, 7, (Row("tide", 7, 7),)),
            ),
            newest={"a": 1, "b": 1},
        )
    )
    replica.tick(0.0)
    replica.tick(99.0)
    replica.count("tide")
    changes = replica.changes()
    assert changes
    replica.committed(changes)
    assert replica.table.value("tide") == replica.table.counter("tide").value == 13


def test_a_counter_of_1000_slots_goes_through_the_snapshot_codec_and_back() -> None:
    slots = {Slot(f"node-{n % 250}", 1_763_800_000_000_000 + n): n for n in range(1000)}
    before = Snapshot("tide", Counter(40, slots), Generations({f"node-{n}": n for n in range(250)}))
    text = json.dumps(snapshot.encode(before))
    assert snapshot.decode(text) == before
    assert snapshot.decode(text).counter.value == 40 + 999 * 1000 // 2
    # And a browser that has stored nothing merges it.
    merged = json.loads(passive.merge("tide", "", "", text))
    assert merged["value"] == 40 + 999 * 1000 // 2
    assert len(merged["slots"]) == 1000


def test_1000_slots_and_1000_rows_go_through_the_frame_codec_and_back() -> None:
    slots = {Slot(f"node-{n % 250}", 1_763_800_000_000_000 + n): n for n in range(1000)}
    maps = Generations({f"node-{n}": n for n in range(250)})
    extents = {slot: Extent(n, n) for slot, n in slots.items()}
    alive = {f"{n:016x}": Alive(f"node-{n}", n, f"http://10.0.0.{n}:1234") for n in range(250)}
    digest = Digest(A, extents, maps, maps, maps, maps, 2**64 - 1, alive)
    assert codec.decode(codec.encode(digest)) == digest
    rows = tuple(Row(f"video-{n}", n, n + 1) for n in range(1000))
    frame = Rows(A, 0, 1000, False, rows)
    assert codec.decode(codec.encode(frame)) == frame
