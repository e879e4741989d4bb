"""Load: clients that view and read all the time, and record everything in a `History`.

Each client stays at one address, as PROTOCOL.md demands: it sends a view again with its key, to the
same address, until that answers. One more client is a browser. It hops from node to node and merges
every snapshot into its state, and again some that it received long ago.
"""

import random
import ssl
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

import httpx
from ratchet import snapshot
from ratchet.passive import Passive
from ratchet.snapshot import Snapshot

from testing.checker import Fate, History, View
from testing.nodes import HTTP, PATIENCE_S, Node, wait_until

# A paused node answers nothing: after this time the client tries again with the same key.
ATTEMPT_S: Final = 1.0
# Where no request may fail, and no node is paused: a disk that other tests use can take seconds.
# (Less than `PATIENCE_S`: a client must have given up before the test gives up waiting for it.)
PATIENT_S: Final = 20.0
# Clients pause like people do, because two cores must run the nodes, the clients and the balancer.
PACE_S: Final = 0.08
RETRY_S: Final = 0.05
MAX_CLIENTS: Final = 64
# How many snapshots the browser keeps, to merge them again.
KEPT: Final = 300

# To read the certificates of the machine would take longer than all requests of a client.
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

# The fate of an attempt, by the status of its response. Any other status is a bug.
_FATES: Final = {
    200: Fate.OK,
    502: Fate.UNSURE,
    503: Fate.REFUSED,
    504: Fate.UNSURE,
}


class Target(Protocol):
    """An address that clients use: a `Node`, or a `Front`."""

    @property
    def url(self) -> str:
        """Its address."""


class Front(NamedTuple):
    """The balancer."""

    url: str


class Failure(NamedTuple):
    """A request that didn't get 200."""

    url: str
    # The key of the view; empty for a read.
    key: str
    why: str


class _Client:
    """A client at one address, and how to end it."""

    def __init__(self) -> None:
        # Ends it after its current view, once that is answered.
        self.ends = Event()
        # Ends it at once; its current view may stay unsure.
        self.gives_up = Event()
        self.done: Future[None] | None = None

    def give_up(self) -> None:
        self.gives_up.set()
        self.ends.set()


class Load:
    """Clients at several addresses. A `with` statement starts them, and ends once every view is
    answered."""

    def __init__(
        self,
        history: History,
        targets: Iterable[Target],
        *,
        videos: Sequence[str] = ("hot", "warm", "cold"),
        clients: int = 2,
        query: str = "",
        browser: bool = True,
        attempt_s: float = ATTEMPT_S,
        seed: int = 1,
    ) -> None:
        """`clients`: how many at each target. `query`: of each view, such as ``?ack=peers``.
        `attempt_s`: how long each client waits for a response."""
        self.history = history
        self.targets = list(targets)
        # Every attempt to count a view that didn't get 200.
        self.failures: list[Failure] = []
        # Every read that didn't get 200.
        self.failed_reads: list[Failure] = []
        self._videos = videos
        self._weights = [4**-number for number in range(len(videos))]
        self._clients = clients
        self._query = query
        self._browser = browser
        self._attempt_s = attempt_s
        self._chance = random.Random(seed)
        self._running: list[tuple[Target | None, _Client]] = []
        self._pool = ThreadPoolExecutor(MAX_CLIENTS, "client")
        self._state = Passive()
        self._kept: list[Snapshot] = []

    def __enter__(self) -> Self:
        self.go()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.rest()
        finally:
            for _, client in self._running:
                client.give_up()
            self._pool.shutdown()

    # -- what a test does with it ----------------------------------------------------------

    def go(self) -> None:
        """Start the clients at all targets, and the browser."""
        for target in self.targets:
            self._begin_at(target)
        if self._browser:
            self._begin(None, self._browse)

    def rest(self) -> None:
        """End all clients. Every view that they began is answered, or was given up."""
        for _, client in self._running:
            client.ends.set()
        self._await(self._running)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Inside, no client views or reads. Afterwards all go on."""
        self.rest()
        yield
        self.go()

    def add(self, target: Target) -> None:
        """Start clients at one more address."""
        self.targets.append(target)
        self._begin_at(target)

    def drop(self, target: Target) -> None:
        """End the clients at this address at once: what is there won't come back as it was."""
        self.targets.remove(target)
        theirs = [entry for entry in self._running if entry[0] is target]
        for _, client in theirs:
            client.give_up()
        self._await(theirs)

    def more(self, views: int, at: Iterable[Target] | None = None) -> None:
        """Wait until each of these addresses (or all) has answered `views` more."""
        targets = list(self.targets if at is None else at)
        goals = {self._counts(target): self.history.answered[self._counts(target)] + views
                 for target in targets}  # fmt: skip
        wait_until(
            lambda: self._failed() or all(self.history.answered[t] >= g for t, g in goals.items()),
            f"{views} more views are answered at {[target.url for target in targets]}",
        )
        self._raise()

    # -- clients ---------------------------------------------------------------------------

    def _begin_at(self, target: Target) -> None:
        for _ in range(self._clients):
            self._begin(target, lambda client: self._use(target, client))

    def _begin(self, target: Target | None, work: Callable[[_Client], None]) -> None:
        client = _Client()
        client.done = self._pool.submit(work, client)
        self._running.append((target, client))

    def _await(self, clients: list[tuple[Target | None, _Client]]) -> None:
        for entry in list(clients):
            done = entry[1].done
            assert done
            done.result(PATIENCE_S)
            self._running.remove(entry)

    def _failed(self) -> bool:
        return any(client.done and client.done.done() for _, client in self._running)

    def _raise(self) -> None:
        """A client that ended by itself has failed: raise its exception."""
        for _, client in self._running:
            if client.done and client.done.done():
                client.done.result()

    def _use(self, target: Target, client: _Client) -> None:
        with httpx.Client(
            base_url=target.url, timeout=self._attempt_s, trust_env=False, verify=_NO_TLS
        ) as http:
            while not client.ends.wait(PACE_S):
                video = self._choose()
                self._view(http, target, video, client)
                self._read(http, target, video)

    def _view(self, http: httpx.Client, target: Target, video: str, client: _Client) -> None:
        key = str(uuid.uuid4())
        view = self.history.view(video, self._counts(target))
        while not client.gives_up.is_set():
            begun = self.history.clock()
            view.begin()
            fate, answer = self._attempt(http, target, video, key)
            view.end(fate)
            if answer is not None:
                self._note(target, view, answer, begun)
                return
            client.gives_up.wait(RETRY_S)

    def _attempt(
        self, http: httpx.Client, target: Target, video: str, key: str
    ) -> tuple[Fate, int | None]:
        """Send a view once. Return its fate, and the number in the response if it counts."""
        try:
            answer = http.post(
                f"/api/videos/{video}/views{self._query}", headers={"Idempotency-Key": key}
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            # There was no connection on which the request could have been sent.
            self.failures.append(Failure(target.url, key, repr(error)))
            return Fate.REFUSED, None
        except httpx.TransportError as error:
            self.failures.append(Failure(target.url, key, repr(error)))
            return Fate.UNSURE, None
        assert answer.status_code in _FATES, f"{target.url}: {answer.status_code} {answer.text}"
        if answer.status_code != 200:
            self.failures.append(Failure(target.url, key, f"{answer.status_code} {answer.text}"))
            return _FATES[answer.status_code], None
        said = answer.json()
        return Fate.PENDING if said["counted"] == "pending" else Fate.OK, int(said["views"])

    def _note(self, target: Target, view: View, views: int, begun: float) -> None:
        """The number in the response to a view is read, too."""
        self.history.read(view.video, views, begun, at=self._counts(target))

    def _read(self, http: httpx.Client, target: Target, video: str) -> None:
        before, begun = _process(target), self.history.clock()
        try:
            answer = http.get(f"/api/videos/{video}")
        except httpx.TransportError as error:
            self.failed_reads.append(Failure(target.url, "", repr(error)))
            return
        # It may not have caught up, or be stopping.
        assert answer.status_code in _FATES, f"{target.url}: {answer.status_code} {answer.text}"
        if answer.status_code != 200:
            self.failed_reads.append(Failure(target.url, "", f"{answer.status_code} {answer.text}"))
            return
        # If the node has restarted in between, it is unknown which of its processes answered.
        reader = before if before == _process(target) else None
        views = answer.json()["views"]
        self.history.read(video, views, begun, at=self._counts(target), reader=reader)

    def _browse(self, client: _Client) -> None:
        """A browser that never forgets anything."""
        while not client.ends.wait(PACE_S):
            target, video = self._chance.choice([*self.targets]), self._choose()
            before, begun = _process(target), self.history.clock()
            try:
                url = f"{target.url}/api/videos/{video}/snapshot"
                answer = HTTP.get(url, timeout=self._attempt_s)
            except httpx.TransportError:
                continue
            if answer.status_code != 200:
                continue
            received = snapshot.decode(answer.text)
            reader = before if before == _process(target) else None
            views, at = received.counter.value, self._counts(target)
            self.history.read(video, views, begun, at=at, reader=reader)
            counter = self._state.receive(received)
            self.history.read(video, counter.value, begun, reader="the browser")
            self._merge_again(received)

    def _merge_again(self, received: Snapshot) -> None:
        """Keep the snapshot, and merge any that was kept: it may be from long ago."""
        if len(self._kept) < KEPT:
            self._kept.append(received)
        else:
            self._kept[self._chance.randrange(KEPT)] = received
        again = self._chance.choice(self._kept)
        begun = self.history.clock()
        counter = self._state.receive(again)
        self.history.read(again.video, counter.value, begun, reader="the browser")

    def _choose(self) -> str:
        return self._chance.choices(self._videos, self._weights)[0]

    @staticmethod
    def _counts(target: Target) -> str | None:
        """The address of the node that counts here; None for the balancer."""
        return target.url if isinstance(target, Node) else None


def _process(target: Target) -> str | None:
    return f"{target.name}/{target.pid}" if isinstance(target, Node) else None
