"""Freshness: a receiver knows how late a message is, although no clock can be trusted."""

import pytest
from ratchet_server.peering.bus.freshness import LATE_S, Freshness

# The sender began long before or after the receiver.
OFFSETS = pytest.mark.parametrize("offset", [-1e6, 0.0, 1e6])


@OFFSETS
def test_nothing_is_fresh_before_a_question_was_answered_in_time(offset: float) -> None:
    freshness = Freshness()
    assert not freshness.is_fresh(10.0, 10.0 + offset)
    assert not freshness.answered(10.0, 10.0 + offset, took=LATE_S + 0.1)
    assert not freshness.answered(10.0, 10.0 + offset, took=-0.1)
    assert not freshness.is_fresh(11.0, 11.0 + offset)
    assert freshness.answered(12.0, 12.0 + offset, took=0.1)
    assert freshness.is_fresh(13.0, 13.0 + offset)


@OFFSETS
def test_a_delayed_message_is_late(offset: float) -> None:
    freshness = Freshness()
    assert freshness.answered(10.0, 10.2 + offset, took=0.3)
    assert freshness.is_fresh(11.0, 11.2 + offset + LATE_S - 0.1)
    assert not freshness.is_fresh(12.0, 12.2 + offset + LATE_S + 0.1)
    # A queue that stood still delivers all at once; only the newest are fresh.
    now = 100.0 + offset
    fresh = [sent for sent in range(60, 100) if freshness.is_fresh(float(sent), now)]
    assert fresh == [95, 96, 97, 98, 99]


@OFFSETS
def test_two_clocks_may_drift(offset: float) -> None:
    freshness = Freshness()
    assert freshness.answered(0.0, offset, took=0.0)
    # A day, in which the sender's clock loses 50 us a second: 4.3 s.
    for second in range(1, 86_400, 10):
        assert freshness.is_fresh(second * (1 - 5e-5), second + offset)
    # Nobody can use the drift to make an old message fresh.
    assert not freshness.is_fresh(86_390.0 - 20, 86_400 + offset)


def test_a_sender_that_was_suspended_is_late_until_it_answers() -> None:
    freshness = Freshness()
    assert freshness.answered(10.0, 10.0, took=0.1)
    # Its clock stood still for an hour.
    assert not freshness.is_fresh(11.0, 3611.0)
    assert freshness.answered(12.0, 3612.0, took=0.1)
    assert freshness.is_fresh(13.0, 3613.0)
