"""Answers views that are on our disk. Those with ack=peers wait for another node's disk first."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ratchet.holdings import Holdings
from ratchet.slot import Slot

from ratchet_server.counting.orders import Answer, Batch, BatchAnswer, View
from ratchet_server.counting.refusals import NotShared, Refusal


class Outcome(NamedTuple):
    """What is to be answered after a transaction."""

    # Each view, and whether this very request counts.
    views: list[tuple[View, bool]]
    batches: list[tuple[Batch, BatchAnswer]]
    # Whether some of them are not in this transaction's views, which ask the peers to confirm them:
    # they have counted before, or were pending.
    unasked: bool


class _Sharing(NamedTuple):
    """Views that are on our disk, and wait until a peer has our slots up to `seqs` on its disk."""

    seqs: Mapping[Slot, int]
    until: float
    views: list[tuple[View, bool]]
    batches: list[tuple[Batch, BatchAnswer]]


class Answers:
    """Gives all who wait for a view their answer."""

    def __init__(
        self,
        holdings: Holdings,
        value: Callable[[str], int],
        ask_to_confirm: Callable[[], None],
        *,
        timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        """`value` returns the number to show. `timeout_s`: how long a view waits for a peer."""
        self._holdings = holdings
        self._value = value
        self._ask_to_confirm = ask_to_confirm
        self._timeout_s = timeout_s
        self._clock = clock
        self._sharing: list[_Sharing] = []

    def give(self, outcome: Outcome) -> None:
        """Answer what has no ack=peers, and let the rest wait."""
        views = [each for each in outcome.views if each[0].on_peers]
        batches = [each for each in outcome.batches if each[0].on_peers]
        for view, is_new in outcome.views:
            if not view.on_peers:
                self._answer(view, is_new=is_new)
        for batch, answer in outcome.batches:
            if not batch.on_peers:
                _set_result(batch.answer, answer)
        if views or batches:
            seqs, until = self._holdings.own_seqs(), self._clock() + self._timeout_s
            self._sharing.append(_Sharing(seqs, until, views, batches))
            if outcome.unasked:
                self._ask_to_confirm()

    def give_shared(self, *, at_the_end: bool = False) -> None:
        """Answer the views with ack=peers that a peer has. Refuse those that waited too long."""
        for group in self._sharing[:]:
            if self._holdings.shared(group.seqs):
                for view, is_new in group.views:
                    self._answer(view, is_new=is_new)
                for batch, counted in group.batches:
                    _set_result(batch.answer, counted)
            elif at_the_end or self._clock() > group.until:
                refuse([view for view, _ in group.views], NotShared)
                refuse([batch for batch, _ in group.batches], NotShared)
            else:
                continue
            self._sharing.remove(group)

    def _answer(self, view: View, *, is_new: bool) -> None:
        if not view.answer.done():
            view.answer.set_result(Answer(self._value(view.video), is_new))


def refuse(orders: Iterable[View | Batch], why: type[Refusal]) -> None:
    """Refuse all these, if their callers still wait."""
    for order in orders:
        refuse_one(order, why())


def refuse_one(order: View | Batch, why: Refusal) -> None:
    """Refuse a view or a batch, if its caller still waits."""
    if not order.answer.done():
        order.answer.set_exception(why)


def _set_result(answer: asyncio.Future[Any], result: object) -> None:
    """Answer, if the caller still waits."""
    if not answer.done():
        answer.set_result(result)
