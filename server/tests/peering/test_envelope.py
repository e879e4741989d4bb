"""Envelopes: only those who have the secret can make a message that a node takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ratchet_server.peering.bus.envelope import HEAD, Envelope, Foreign, Kind, Seal, Unsigned
from ratchet_server.peering.bus.parts import Parts, split
from ratchet_server.peering.bus.port import LARGEST

A, B = "a" * 16, "b" * 16
FRAME = Envelope(Kind.FRAME, A, B, 12, 7, 1, 1, b'{"is":"have"}')
SEAL = Seal("films", ["the secret of the cluster"])

processes = st.text("0123456789abcdef", min_size=16, max_size=16)
stamps = st.integers(0, 10**18 - 1)


@given(
    st.builds(
        Envelope,
        st.sampled_from(Kind),
        processes,
        st.none() | processes,
        stamps,
        st.none() | stamps,
        st.just(1),
        st.integers(1, 8192),
        st.binary(max_size=100),
    )
)
def test_what_was_closed_opens_again(envelope: Envelope) -> None:
    message = SEAL.close(envelope)
    assert SEAL.open(message) == envelope
    assert len(message) - len(envelope.payload) <= HEAD


@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    message = bytearray(SEAL.close(FRAME))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Unsigned, Foreign)):
        SEAL.open(bytes(message))


@given(st.binary(max_size=400))
def test_garbage_is_not_signed(garbage: bytes) -> None:
    with pytest.raises(Unsigned):
        SEAL.open(garbage)


def test_what_is_larger_than_any_of_ours_is_not_even_read() -> None:
    most = LARGEST - len(SEAL.close(FRAME._replace(payload=b"")))
    assert SEAL.open(SEAL.close(FRAME._replace(payload=bytes(most))))
    with pytest.raises(Unsigned):
        SEAL.open(SEAL.close(FRAME._replace(payload=bytes(most + 1))))


def test_another_secret_does_not_sign_and_a_second_one_does() -> None:
    new, old, both = Seal("films", ["new"]), Seal("films", ["old"]), Seal("films", ["new", "old"])
    with pytest.raises(Unsigned):
        new.open(old.close(FRAME))
    assert both.open(old.close(FRAME)) == both.open(new.close(FRAME)) == FRAME
    assert new.open(both.close(FRAME)) == FRAME


def test_another_cluster_on_the_bus_is_foreign() -> None:
    with pytest.raises(Foreign):
        Seal("songs", ["the secret of the cluster"]).open(SEAL.close(FRAME))


class TestParts:
    @given(st.binary(max_size=3000), st.randoms())
    def test_of_a_message_make_it_again_in_any_order(self, payload: bytes, random: object) -> None:
        whole = FRAME._replace(payload=payload)
        pieces = [*split(whole, HEAD + 100)]
        assert all(len(SEAL.close(piece)) <= HEAD + 100 for piece in pieces)
        random.shuffle(pieces)  # type: ignore[attr-defined]
        parts = Parts()
        *first, last = [parts.add(piece) for piece in pieces]
        assert first == [None] * (len(pieces) - 1)
        assert last == payload

    def test_that_never_come_make_room_for_others(self) -> None:
        parts, big = Parts(), bytes(400_000)
        senders = [f"{number:016x}" for number in range(100)]
        for sender in senders:
            assert parts.add(FRAME._replace(sender=sender, parts=2, payload=big)) is None
        whole = FRAME._replace(stamp=13, payload=bytes(2000))
        *_, last = [parts.add(piece) for piece in split(whole, HEAD + 1350)]
        assert last == whole.payload
        # The oldest are forgotten: what is left of the newest has room.
        ends = [FRAME._replace(sender=sender, part=2, parts=2, payload=b"") for sender in senders]
        joined = [parts.add(end) is not None for end in ends]
        assert joined == [False] * joined.count(False) + [True] * joined.count(True)
        assert 10 < joined.count(True) < 50

    def test_of_an_endless_message_are_dropped(self) -> None:
        parts = Parts()
        pieces = [FRAME._replace(part=part, parts=8192, payload=b"") for part in range(1, 8193)]
        big = [piece._replace(payload=bytes(1000)) for piece in pieces]
        assert {parts.add(piece) for piece in big} == {None}
        small = [piece._replace(stamp=13) for piece in pieces]
        # Empty ones cost memory, too. This one would have 8192 times nothing in it.
        assert [parts.add(piece) for piece in small][:-1] == [None] * 8191

    def test_of_a_newer_message_replace_an_older_one(self) -> None:
        parts = Parts()
        assert parts.add(FRAME._replace(stamp=1, parts=2)) is None
        assert parts.add(FRAME._replace(stamp=2, to=None, parts=2)) is None
        assert parts.add(FRAME._replace(stamp=3, parts=2)) is None
        assert parts.add(FRAME._replace(stamp=3, part=2, parts=2)) == 2 * FRAME.payload
        # What is sent to all doesn't replace what is sent to one.
        assert parts.add(FRAME._replace(stamp=2, to=None, part=2, parts=2)) == 2 * FRAME.payload

    def test_of_a_process_that_has_left_are_forgotten(self) -> None:
        parts = Parts()
        assert parts.add(FRAME._replace(parts=2)) is None
        parts.forget(A)
        assert parts.add(FRAME._replace(part=2, parts=2)) is None

    def test_of_two_sizes_are_no_message(self) -> None:
        parts = Parts()
        assert parts.add(FRAME._replace(parts=2)) is None
        assert parts.add(FRAME._replace(part=2, parts=3)) is None
        assert parts.add(FRAME._replace(part=2, parts=2)) == 2 * FRAME.payload
