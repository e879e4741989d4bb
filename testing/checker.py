"""The checker: judges a cluster under faults by what its clients sent and received.

A view is one idempotency key, however many attempts it takes. It is *ok* once an attempt got 200,
also if it is pending: then it counts later. It is *info* while some attempts are unsure and none
got 200; unsure are 502, 504 and no response. It is neither if every attempt was surely refused, by
503 or because nothing listened. What must hold:

- No number that a client reads is above the ok and info views that were begun by then.
- The numbers that one process of a node shows never fall, nor do those of one browser.
- A node shows at least the views that it has answered itself, across its restarts; not yet those
  of which it has answered that they are pending.
- In the end all nodes show the same V with ok <= V <= ok + info, and their digests are equal.

Views that only a destroyed disk had may be lost: `disk_lost` makes them info. A node that has lost
its disk and has no peers doesn't know what it has answered: see `new_disk`.
"""

import math
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from threading import Lock
from typing import Final, NamedTuple

from testing.nodes import Node, connected, equal, pending, wait_until

NEVER: Final = math.inf
_SHOWN_PROBLEMS: Final = 10


class Fate(Enum):
    """The outcome of one attempt to count a view."""

    OK = "answered: it counts"
    PENDING = "answered: it counts once all have been asked"
    REFUSED = "surely not counted by this attempt"
    UNSURE = "it may count or not"


class View:
    """One logical view. Its attempts follow one another."""

    def __init__(self, history: "History", video: str, at: str | None) -> None:
        """`at`: the address of the node that counts it; None if the balancer chooses one."""
        self._history = history
        self.video = video
        self.at = at
        self.disk = history.disk(at)
        # When it was first answered 200, and whether the disk that had it was lost afterwards.
        self.answered = NEVER
        self.pending = False
        self.at_risk = False
        self._trying = NEVER
        self._unsure = NEVER

    def begin(self) -> None:
        """The client is about to send an attempt."""
        self._trying = self._history.clock()

    def end(self, fate: Fate) -> None:
        """The attempt has ended."""
        # In this order, so that a check in between never takes a view that counts for one that
        # doesn't.
        if fate is not Fate.REFUSED:
            self._unsure = min(self._unsure, self._trying)
        if fate in {Fate.OK, Fate.PENDING}:
            self.pending = fate is Fate.PENDING
            self.answered = self._history.clock()
            self._history.count_answer(self.at)
        self._trying = NEVER

    @property
    def possible(self) -> float:
        """When the first attempt began that may have counted, or still may."""
        return min(self._unsure, self._trying)

    @property
    def ok(self) -> bool:
        """Whether it must be counted."""
        return self.answered < NEVER and not self.at_risk


class Disk(NamedTuple):
    """One disk of the node at an address. It keeps what the node has answered."""

    at: str
    number: int


class Read(NamedTuple):
    """A number that a client received."""

    video: str
    views: int
    begun: float
    ended: float
    # The disk of the node that sent it, if the node is known.
    disk: Disk | None
    # One process of a node, or a browser: its numbers must not fall. None where it is unknown.
    reader: str | None


class History:
    """All that clients sent and received. Many threads may record; call `check` when they rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        # How many views each address has answered by now; None is the balancer.
        self.answered: Counter[str | None] = Counter()
        self._lock = Lock()
        self._disks: Counter[str] = Counter()
        self._views: list[View] = []
        self._reads: list[Read] = []
        # The sums of what earlier checks have settled, so that a long history stays short.
        self._ok: Counter[str] = Counter()
        self._info: Counter[str] = Counter()
        self._own: Counter[tuple[Disk | None, str]] = Counter()
        self._highest: dict[tuple[str, str], int] = {}

    # -- recording -------------------------------------------------------------------------

    def view(self, video: str, at: str | None = None) -> View:
        """A client is about to view `video`: at the node at `at`, or through the balancer."""
        view = View(self, video, at)
        self._views.append(view)
        return view

    def read(
        self,
        video: str,
        views: int,
        begun: float,
        *,
        at: str | None = None,
        reader: str | None = None,
    ) -> None:
        """A client that sent its request at `begun` has just received `views`."""
        self._reads.append(Read(video, views, begun, self.clock(), self.disk(at), reader))

    def count_answer(self, at: str | None) -> None:
        """A view got 200."""
        with self._lock:
            self.answered[at] += 1

    def disk(self, at: str | None) -> Disk | None:
        """The disk that the node at this address has now."""
        return None if at is None else Disk(at, self._disks[at])

    def new_disk(self, at: str) -> None:
        """The node at this address starts with a new disk, perhaps cut off from all others."""
        self._disks[at] += 1

    def disk_lost(self, at: str, since: float) -> None:
        """The disk of a node is gone. Perhaps no other has what it answered after `since`."""
        for view in self._views:
            # What is pending is on one disk alone.
            if view.at == at and (view.answered > since or view.pending):
                view.at_risk = True

    # -- checking --------------------------------------------------------------------------

    @property
    def ok(self) -> Counter[str]:
        """For each video, the views that must be counted."""
        return self._ok + Counter(view.video for view in list(self._views) if view.ok)

    @property
    def info(self) -> Counter[str]:
        """For each video, the views that may be counted or not."""
        unsure = (view for view in list(self._views) if view.possible < NEVER and not view.ok)
        return self._info + Counter(view.video for view in unsure)

    def shown(self, video: str) -> set[int]:
        """All numbers of `video` that clients received since the last check."""
        return {read.views for read in list(self._reads) if read.video == video}

    def check(self, nodes: Iterable[Node]) -> None:
        """Wait until `nodes` count the same, and check all that happened up to now.

        No client may view or read meanwhile. Raises AssertionError with the problems.
        """
        nodes = list(nodes)
        wait_until(lambda: connected(nodes), "all nodes are connected")
        # A view that is pending counts once a node that could not be asked is back.
        wait_until(lambda: not any(map(pending, nodes)), "no view is pending")
        wait_until(lambda: equal(nodes), "all nodes count the same")
        for node in nodes:
            for video in self.ok | self.info:
                begun = self.clock()
                self.read(video, node.views(video), begun, at=node.url)
        shown = {node.name: {v: node.views(v) for v in self.ok | self.info} for node in nodes}
        problems = [*self.wrong_reads(), *self.wrong_end(shown)]
        hidden = len(problems) - _SHOWN_PROBLEMS
        more = [f"and {hidden} more"] if hidden > 0 else []
        assert not problems, "\n".join(["", *problems[:_SHOWN_PROBLEMS], *more])
        # A fold that spreads from node to node changes no number, but for a moment the digests.
        wait_until(lambda: equal(nodes), "the digests are equal in the end")
        self.forget(next(iter(shown.values())))

    def wrong_reads(self) -> list[str]:
        """Every number that a client should not have received, and why."""
        reads = list(self._reads)
        return [*self._too_large(reads), *self._too_small(reads), *self._fallen(reads)]

    def wrong_end(self, shown: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Every number that a node should not show in the end, and why."""
        problems = []
        for video in sorted(self.ok | self.info):
            numbers = {node: views.get(video, 0) for node, views in shown.items()}
            if len(set(numbers.values())) > 1:
                problems.append(f"{video}: the nodes show different numbers: {numbers}")
            least, most = self.ok[video], self.ok[video] + self.info[video]
            problems += [
                f"{video}: {node} shows {views}, but it must be {least} to {most}"
                for node, views in numbers.items()
                if not least <= views <= most
            ]
        return problems

    def _too_large(self, reads: list[Read]) -> Iterable[str]:
        begun = defaultdict(list)
        for view in list(self._views):
            begun[view.video].append(view.possible)
        for times in begun.values():
            times.sort()
        for read in reads:
            before = self._ok[read.video] + self._info[read.video]
            most = before + bisect_right(begun[read.video], read.ended)
            if read.views > most:
                yield f"{_words(read)}, and only {most} views were begun by then"

    def _too_small(self, reads: list[Read]) -> Iterable[str]:
        own = defaultdict(list)
        for view in list(self._views):
            if view.ok and not view.pending:
                own[view.disk, view.video].append(view.answered)
        for times in own.values():
            times.sort()
        for read in reads:
            if read.disk is None:
                continue
            by = read.disk, read.video
            least = self._own[by] + bisect_right(own[by], read.begun)
            if read.views < least:
                yield f"{_words(read)}, and it had answered {least} views itself by then"

    def _fallen(self, reads: list[Read]) -> Iterable[str]:
        by_reader = defaultdict(list)
        for read in reads:
            if read.reader is not None:
                by_reader[read.reader, read.video].append(read)
        for by, theirs in by_reader.items():
            highest = self._highest.get(by, 0)
            # A read comes after another only if it began when the other had ended.
            over = sorted(theirs, key=lambda read: read.ended)
            at = 0
            for read in sorted(theirs, key=lambda read: read.begun):
                while over[at].ended <= read.begun and over[at] is not read:
                    highest = max(highest, over[at].views)
                    at += 1
                if read.views < highest:
                    yield f"{_words(read)}, and {read.reader} had shown {highest} before"

    def forget(self, shown: Mapping[str, int]) -> None:
        """All nodes have just shown these numbers: keep them as sums; drop the views and reads."""
        # The views that all nodes show count for ever. Some of the others may still appear.
        most = self.ok + self.info
        self._ok, self._info = Counter(shown), most - Counter(shown)
        views, self._views = self._views, []
        reads, self._reads = self._reads, []
        for view in views:
            self._own[view.disk, view.video] += view.ok
        for read in reads:
            if read.reader is not None:
                by = read.reader, read.video
                self._highest[by] = max(read.views, self._highest.get(by, 0))


def _words(read: Read) -> str:
    who = read.reader or (read.disk and read.disk.at) or "a client"
    return f"{read.video}: at {read.ended:.3f} {who} showed {read.views}"
