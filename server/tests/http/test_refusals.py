"""Each refusal of the keeper has one answer."""

from ratchet_server.counting import refusals
from ratchet_server.counting.refusals import KeyReused, NotCounted, Refusal
from ratchet_server.http.errors import refused
from ratchet_server.http.refusals import TOLD


def test_every_refusal_that_the_keeper_can_raise_has_an_answer() -> None:
    kinds = {kind for kind in vars(refusals).values() if isinstance(kind, type)}
    assert {*TOLD} == kinds - {Refusal, NotCounted}


def test_503_promises_that_the_view_was_not_counted() -> None:
    assert {kind for kind, told in TOLD.items() if told.status == 503} <= {
        kind for kind in TOLD if issubclass(kind, NotCounted)
    }


def test_the_words_name_what_the_refusal_is_about() -> None:
    answer = refused(KeyReused("k", "tide"))
    assert (answer.status_code, answer.code) == (422, "key_reused")
    assert str(answer) == "The Idempotency-Key k was used for tide; use a new one a view."
