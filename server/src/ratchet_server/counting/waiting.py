"""Callers whose keys are pending: they wait for a moment, because the other nodes answer soon.

All that can be reached answer within milliseconds. If one can't be, the caller hears that its views
are pending. They are on our disk then, and `ratchet.retries` goes on without the caller. A caller
that gave up sooner, and sends its views again, hears it at once: the time counts from the first.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ratchet_server.counting.orders import Answer, Batch, BatchAnswer, View

# How long they wait, from when the views first came.
PENDING_S: Final = 1.0


@dataclass(slots=True)
class _Waiting:
    """An order, and its keys that are still pending, each with the number of its views."""

    order: View | Batch
    keys: dict[str, int]
    until: float
    # How many of its views have counted.
    counted: int = 0


class Waiting:
    """Views and batches that wait for other nodes."""

    def __init__(self, value: Callable[[str], int], clock: Callable[[], float]) -> None:
        """`value` returns the number to show."""
        self._value = value
        self._clock = clock
        self._by_key: dict[str, list[_Waiting]] = {}

    def add(
        self, order: View | Batch, keys: Mapping[str, int], counted: int = 0, waited_s: float = 0.0
    ) -> None:
        """An order waits. `keys`: those that are pending, each with the number of its views.
        `counted`: how many others of its views have counted. `waited_s`: for how long its newest
        key has been pending."""
        until = self._clock() + PENDING_S - waited_s
        waiting = _Waiting(order, dict(keys), until, counted)
        for key in keys:
            self._by_key.setdefault(key, []).append(waiting)

    def settled(self, outcomes: Mapping[str, int]) -> Iterator[tuple[View | Batch, int]]:
        """These keys are pending no more; each has counted so many views. Returns the orders that
        wait for nothing else, and how many of their views have counted."""
        for key, counted in outcomes.items():
            for waiting in self._by_key.pop(key, ()):
                del waiting.keys[key]
                waiting.counted += counted
                if not waiting.keys and not waiting.order.answer.done():
                    yield waiting.order, waiting.counted

    def give_up(self, *, at_the_end: bool = False) -> None:
        """Answer those that have waited for long enough."""
        now = self._clock()
        for key, all_waiting in [*self._by_key.items()]:
            left = []
            for waiting in all_waiting:
                if waiting.until <= now or at_the_end:
                    self._answer(waiting)
                if not waiting.order.answer.done():
                    left.append(waiting)
            if left:
                self._by_key[key] = left
            else:
                del self._by_key[key]

    def _answer(self, waiting: _Waiting) -> None:
        order = waiting.order
        if order.answer.done():
            return
        if isinstance(order, View):
            order.answer.set_result(Answer(self._value(order.video), "pending"))
        else:
            order.answer.set_result(BatchAnswer(waiting.counted, sum(waiting.keys.values())))
