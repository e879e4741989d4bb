"""Durations: how often each bucket was hit, and the sum."""

from ratchet_server.durations import BOUNDS_S, Durations


def durations(*seconds: float) -> Durations:
    made = Durations()
    for each in seconds:
        made.add(each)
    return made


def test_a_bucket_has_all_that_are_not_longer_than_its_bound() -> None:
    up_to = dict(zip((*BOUNDS_S, "more"), durations(0, 0.001, 0.0011, 0.03, 99).up_to, strict=True))
    assert up_to[0.001] == 2
    assert up_to[0.0025] == 3
    assert up_to[0.025] == 3
    assert up_to[0.05] == 4
    assert up_to[10.0] == 4
    assert up_to["more"] == 5


def test_their_number_and_sum_are_those_of_all() -> None:
    some, more = durations(1, 2), durations(4)
    some.include(more)
    assert (some.count, some.total_s) == (3, 7)
    assert some.up_to == durations(4, 2, 1).up_to
    # The other is as it was.
    assert (more.count, more.total_s) == (1, 4)
