"""Each refusal of the keeper has one error response."""

from ratchet_server.counting import refusals
from ratchet_server.counting.refusals import BadEntry, KeyReused, NotCounted, Refusal
from ratchet_server.http.refusals import ERRORS, error_of


def test_every_refusal_that_the_keeper_can_raise_has_an_error_response() -> None:
    kinds = {kind for kind in vars(refusals).values() if isinstance(kind, type)}
    # A bad entry has the error of what is wrong with it.
    assert {*ERRORS} == kinds - {Refusal, NotCounted, BadEntry}


def test_503_promises_that_the_view_was_not_counted() -> None:
    assert {kind for kind, error in ERRORS.items() if error.status == 503} <= {
        kind for kind in ERRORS if issubclass(kind, NotCounted)
    }


def test_the_message_names_the_fields_of_the_refusal() -> None:
    error = error_of(KeyReused("k", "tide"))
    assert (error.status, error.code) == (422, "key_reused")
    assert error.message == (
        "The Idempotency-Key k was used for a view of tide; make a new key for each view."
    )
