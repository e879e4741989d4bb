"""Hypothesis strategies for the core's values: few names and small numbers, so that they collide.

A failing random test prints a `@reproduce_failure` line; replay the test with it. To search deeper
than an ordinary run, use ``RATCHET_HYPOTHESIS=deep pytest core/tests``. (``short`` is for machines
on which an ordinary run takes too long.)
"""

import os
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from ratchet.column import Row
from ratchet.counter import Counter
from ratchet.frames import (
    Alive,
    Ask,
    BaseRows,
    DaysExtent,
    Digest,
    Extent,
    Frame,
    Have,
    Hello,
    Pulse,
    Rows,
    Versions,
    Want,
    WantBase,
)
from ratchet.generations import FLOOR, Generations, join
from ratchet.names import MAX_COUNT, MAX_DAY, MAX_GENERATION
from ratchet.slot import Slot
from ratchet.snapshot import Snapshot

settings.register_profile("short", max_examples=15, deadline=None, print_blob=True)
settings.register_profile("quick", max_examples=100, deadline=None, print_blob=True)
settings.register_profile("deep", max_examples=3000, deadline=None, print_blob=True)
PROFILE: Final = os.environ.get("RATCHET_HYPOTHESIS", "quick")
settings.load_profile(PROFILE)

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-"

words: Final = st.integers(0, 2**64 - 1)
counts: Final = st.one_of(st.integers(0, 9), st.integers(0, MAX_COUNT))
videos: Final = st.one_of(
    st.sampled_from(["tide", "moss", "fern"]),
    st.text(_LETTERS + _LETTERS.upper() + "_", min_size=1, max_size=64),
)
nodes: Final = st.one_of(
    st.sampled_from(["a", "b", "c"]), st.text(_LETTERS, min_size=1, max_size=63)
)
_generation: Final = st.one_of(st.integers(0, 5), st.integers(0, MAX_GENERATION))
slots: Final = st.builds(Slot, nodes, _generation)


def _total(
    names: st.SearchStrategy[str], values: st.SearchStrategy[int]
) -> st.SearchStrategy[Generations]:
    """Maps with a floor and without one. Some list names below their floor."""
    entries = st.dictionaries(st.one_of(names, st.just(FLOOR)), values, max_size=5)
    return entries.map(lambda listed: join(listed, {}))


generations: Final = _total(nodes, _generation)
counters: Final = st.builds(Counter, counts, st.dictionaries(slots, counts, max_size=6))
# Far from MAX_COUNT, at which a value stays instead of growing.
small_counters: Final = st.builds(
    Counter,
    st.integers(0, 99),
    st.dictionaries(
        st.builds(Slot, st.sampled_from(["a", "b", "c"]), st.integers(0, 5)),
        st.integers(0, 99),
        max_size=8,
    ),
)
small_generations: Final = _total(st.sampled_from(["a", "b", "c"]), st.integers(0, 5))
snapshots: Final = st.builds(Snapshot, videos, counters, generations)


@st.composite
def _rows(draw: st.DrawFn) -> Rows:
    seqs = sorted(draw(st.sets(st.integers(1, MAX_COUNT), max_size=5)))
    start = draw(st.integers(0, seqs[0] - 1 if seqs else MAX_COUNT))
    rows = tuple(Row(draw(videos), draw(counts), seq) for seq in seqs)
    more = bool(rows) and draw(st.booleans())
    return Rows(draw(slots), start, draw(counts), more, rows, draw(st.booleans()), draw(counts))


processes: Final = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
urls: Final = st.sampled_from(["", "http://127.0.0.1:1234", "https://a.example/node?x=1"])


_days: Final = st.integers(0, MAX_DAY)
_days_extents: Final = st.builds(DaysExtent, _days, st.none() | words)


@st.composite
def _digests(draw: st.DrawFn) -> Digest:
    # Only closed slots are folded, and only known slots are closed; and all maps have one floor.
    maps = draw(generations), draw(generations), draw(generations)
    floor = {FLOOR: max(each.floor for each in maps)} if any(FLOOR in each for each in maps) else {}
    folded = join(maps[0], floor)
    closed = join(folded, maps[1])
    return Digest(
        slot=draw(st.none() | slots),
        slots=draw(
            st.dictionaries(slots, st.builds(Extent, counts, st.none() | words), max_size=4)
        ),
        newest=join(closed, maps[2]),
        closed=closed,
        folded=folded,
        lifted_views=draw(st.dictionaries(nodes, counts, max_size=3)),
        base_fingerprint=draw(st.none() | words),
        alive=draw(
            st.dictionaries(
                processes, st.builds(Alive, nodes, st.none() | _generation, urls), max_size=3
            )
        ),
        number=draw(counts),
        days=draw(_days_extents),
    )


frames: Final[st.SearchStrategy[Frame]] = st.one_of(
    st.builds(
        Hello, nodes, processes, urls, st.builds(Versions, st.integers(0, 2), st.integers(2, 9))
    ),
    _digests(),
    st.builds(
        Pulse,
        counts,
        st.none() | slots,
        st.builds(Extent, counts, st.none() | words),
        counts,
        st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        _days_extents,
    ),
    st.just(Ask()),
    st.builds(Have, slots, counts),
    st.builds(Want, slots, counts, counts),
    _rows(),
    st.builds(WantBase, counts, st.none() | _days),
    st.builds(
        BaseRows,
        generations,
        counts,
        counts,
        st.lists(st.tuples(videos, counts), max_size=5).map(tuple),
        # Only a later day follows.
        st.none() | st.integers(0, 9),
        st.none() | st.integers(10, MAX_DAY),
    ),
)

# Any value that JSON can write, and some that it can't: NaN, lone surrogates.
json_values: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=MAX_COUNT),
        st.floats(),
        st.text(st.characters()),
        st.sampled_from(["tide", "a@7", "a@007", "\ud800", "rows", "digest", "want"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
