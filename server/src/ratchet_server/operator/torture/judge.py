"""The judge: from a history alone, it says which numbers were wrong.

A view is one key, however many attempts it took. It is *answered* once an attempt got 200, also
with `"counted": "pending"`. It is *unsure* if none did, and some attempt may have counted.
Otherwise it was surely refused. What must hold:

- In the end, all addresses show the same V, with answered <= V <= answered + unsure.
- No number is ever above the views that were begun by then and not surely refused.
- The number that a viewer shows never falls; nor does that of one process of a node.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ratchet_server.operator.torture.history import Attempt, End, Event, Read, Start

_SHOWN: Final = 10


class Verdict(NamedTuple):
    """What the judge found. `final` is the sum of the end's numbers, without those before."""

    answered: int = 0
    unsure: int = 0
    pending: int = 0
    final: int = 0
    lost: int = 0
    double: int = 0
    problems: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The problems as text, the first ten of them."""
        hidden = len(self.problems) - _SHOWN
        more = [f"and {hidden} more"] if hidden > 0 else []
        return "\n".join([*self.problems[:_SHOWN], *more])


class _View:
    """What the attempts with one key tell."""

    def __init__(self, video: str) -> None:
        self.video = video
        self.answered = False
        self.pending = False
        # When the first attempt began that may have counted.
        self.possible: float | None = None

    def add(self, attempt: Attempt) -> None:
        if attempt.fate != "refused":
            before = attempt.begun if self.possible is None else self.possible
            self.possible = min(before, attempt.begun)
        if attempt.fate == "ok":
            self.answered = True
            self.pending = attempt.counted == "pending"


def judge(events: Iterable[Event]) -> Verdict:
    """Judge a history that has ended: no viewer views or reads any more."""
    events = list(events)
    views: dict[str, _View] = {}
    for event in events:
        if isinstance(event, Attempt):
            views.setdefault(event.key, _View(event.video)).add(event)
    start: Counter[str] = Counter()
    for event in events:
        if isinstance(event, Start):
            start.update(event.views)
    answered = Counter(view.video for view in views.values() if view.answered)
    unsure = Counter(
        view.video for view in views.values() if view.possible is not None and not view.answered
    )
    ends = {event.at: event.views for event in events if isinstance(event, End)}
    problems: list[str] = []
    final = lost = double = 0
    for video in sorted(answered | unsure):
        numbers = {at: shown.get(video, 0) - start[video] for at, shown in ends.items()}
        if not numbers:
            problems.append(f"{video}: nobody shows a number in the end")
            continue
        least, most = answered[video], answered[video] + unsure[video]
        if len(set(numbers.values())) > 1:
            problems.append(f"{video}: the nodes show different numbers: {numbers}")
        lacks, has_more = (
            max(0, least - min(numbers.values())),
            max(0, max(numbers.values()) - most),
        )
        if lacks:
            problems.append(f"{video}: {lacks} of {least} answered views are lost: {numbers}")
        if has_more:
            problems.append(f"{video}: {has_more} more than the {most} views: {numbers}")
        final, lost, double = final + max(numbers.values()), lost + lacks, double + has_more
    problems += _too_high(events, views.values(), start)
    problems += _fallen(events)
    pending = sum(view.pending for view in views.values())
    return Verdict(answered.total(), unsure.total(), pending, final, lost, double, tuple(problems))


def _too_high(
    events: Iterable[Event], views: Iterable[_View], start: Counter[str]
) -> Iterator[str]:
    begun = defaultdict(list)
    for view in views:
        if view.possible is not None:
            begun[view.video].append(view.possible)
    for times in begun.values():
        times.sort()
    for event in events:
        if isinstance(event, Read):
            who, shown = event.viewer, max(event.views, event.shown)
        elif isinstance(event, Attempt) and event.views is not None:
            who, shown = event.to, event.views
        else:
            continue
        most = start[event.video] + bisect_right(begun[event.video], event.ended)
        if shown > most:
            yield f"{event.video}: at {event.ended:.3f} {who} showed {shown} of {most} views"


def _fallen(events: Iterable[Event]) -> Iterator[str]:
    by_reader: dict[tuple[str, str], list[tuple[float, float, int]]] = defaultdict(list)
    for event in events:
        if isinstance(event, Read):
            spell = event.begun, event.ended
            by_reader[event.viewer, event.video].append((*spell, event.shown))
            if event.process:
                by_reader[event.process, event.video].append((*spell, event.views))
    for (reader, video), reads in by_reader.items():
        # A read comes after another only if it began when the other had ended.
        over = sorted(reads, key=lambda read: read[1])
        highest = at = 0
        for begun, ended, views in sorted(reads):
            while over[at][1] < begun:
                highest = max(highest, over[at][2])
                at += 1
            if views < highest:
                yield f"{video}: at {ended:.3f} {reader} showed {views}, after {highest}"
