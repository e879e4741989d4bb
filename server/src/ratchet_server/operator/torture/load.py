"""The load: viewers that view and read all the time, and add everything to a history.

A viewer sends a view again, with its key, until that is answered. It merges each number that it
reads into its own, as the page does. So it may read at any node, and what it shows must not fall.
"""

import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count
from threading import Event as Flag
from threading import Lock
from types import TracebackType
from typing import Final, NamedTuple, Self

from ratchet import snapshot
from ratchet.passive import Passive

from ratchet_server.client import CallError, Client, Refused
from ratchet_server.operator.torture.history import Attempt, Fate, History, Read

# A retry comes after this time at first. Each further one waits twice as long as the one before.
_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 1.0
# The balancer limits how many views one address counts: that is no mistake of the load.
_LATER: Final = 429


def _unknown() -> str | None:
    return None


class Target(NamedTuple):
    """An address that viewers use."""

    name: str
    client: Client
    # The process that answers there now; None if that is unknown.
    process: Callable[[], str | None] = _unknown
    # Whether a retry there reaches the node that had the first attempt.
    keeps_keys: bool = True


class Load:
    """Viewers at several addresses. A `with` statement starts and ends them."""

    def __init__(
        self,
        history: History,
        targets: Sequence[Target],
        videos: Sequence[str],
        *,
        viewers: int,
        rate: float,
        seed: int,
        same_node: bool,
    ) -> None:
        """`rate`: how many views all viewers begin in a second, at most. `same_node`: whether a
        retry goes where the first attempt went. Otherwise it goes anywhere else."""
        self.answered = 0
        self._history = history
        self._targets = targets
        self._videos = videos
        self._viewers = viewers
        self._pace_s = viewers / rate
        self._seed = seed
        self._same_node = same_node
        self._lock = Lock()
        self._ends = Flag()
        self._gives_up = Flag()
        self._pool = ThreadPoolExecutor(viewers, "viewer")
        self._running: list[Future[None]] = []
        self._states = [_Viewer(f"viewer {number}", seed) for number in range(viewers)]

    def __enter__(self) -> Self:
        self.go()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._gives_up.set()
        self._pool.shutdown()

    def go(self) -> None:
        """Start the viewers."""
        self._ends.clear()
        self._running = [self._pool.submit(self._watch, viewer) for viewer in self._states]

    def rest(self, patience_s: float) -> None:
        """End the viewers, once every view that they began is answered. After `patience_s` they
        give up. Raises the `CallError` of a viewer that can't go on."""
        self._ends.set()
        if wait(self._running, patience_s).not_done:
            self._gives_up.set()
        for viewer in self._running:
            viewer.result()

    @property
    def failed(self) -> bool:
        """Whether a viewer can't go on. `rest` raises its error."""
        return any(viewer.done() for viewer in self._running)

    def _watch(self, viewer: "_Viewer") -> None:
        while True:
            chance = viewer.next()
            if self._ends.wait(self._pace_s * chance.uniform(0.5, 1.5)):
                return
            self._view(chance)
            self._read(viewer, chance)

    def _view(self, chance: random.Random) -> None:
        video = chance.choice(self._videos)
        key = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        target = chance.choice(self._targets)
        for number in count(1):
            attempt, after_s = self._attempt(target, video, key, number)
            self._history.add(attempt)
            if attempt.fate == "ok":
                with self._lock:
                    self.answered += 1
                return
            if self._same_node and attempt.fate == "unsure" and not target.keeps_keys:
                return
            longest = min(_LONGEST_RETRY_S, _RETRY_S * 2 ** min(number, 10))
            if self._gives_up.wait(after_s or chance.uniform(_RETRY_S, longest)):
                return
            if not self._same_node:
                target = chance.choice(_others(self._targets, target))

    def _attempt(
        self, target: Target, video: str, key: str, number: int
    ) -> tuple[Attempt, int | None]:
        """Send a view once. Returns what became of it, and after how many seconds to try again."""
        begun = self._history.clock()

        def ended(fate: Fate, why: str = "") -> Attempt:
            ended = self._history.clock()
            return Attempt(key, video, target.name, number, begun, ended, fate, why=why)

        try:
            answer = target.client.count(video, key=key, attempt=number)
        except Refused as error:
            if error.status < 500 and error.status != _LATER:
                raise
            return ended("unsure" if error.unsure else "refused", str(error)), error.retry_after_s
        except CallError as error:
            return ended("unsure" if error.unsure else "refused", str(error)), None
        told = {"counted": answer.counted, "views": answer.views}
        at = begun, self._history.clock()
        return Attempt(key, video, target.name, number, *at, "ok", **told), None  # type: ignore[arg-type]

    def _read(self, viewer: "_Viewer", chance: random.Random) -> None:
        video, target = chance.choice(self._videos), chance.choice(self._targets)
        before, begun = target.process(), self._history.clock()
        try:
            got = target.client.snapshot(video)
        except CallError:
            return  # It is down, or has not caught up: the next read goes elsewhere.
        ended = self._history.clock()
        # If the node has restarted in between, it is unknown which of its processes answered.
        process = before if before == target.process() else None
        counter = snapshot.decode_counter({"base": got.base, "slots": got.slots})
        folded = snapshot.decode_generations(got.folded)
        shown = viewer.state.receive(snapshot.Snapshot(video, counter, folded)).value
        self._history.add(Read(viewer.name, video, process, begun, ended, counter.value, shown))


class _Viewer:
    """One browser. Its chance depends on the seed and on how many views it began, on nothing else:
    so the same seed gives the same views, however long each takes."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.state = Passive()
        self._seed = seed
        self._numbers = count()

    def next(self) -> random.Random:
        """The chance of its next view and read."""
        return random.Random(f"{self._seed}/{self.name}/{next(self._numbers)}")


def _others(targets: Iterable[Target], target: Target) -> list[Target]:
    return [other for other in targets if other is not target] or [target]
