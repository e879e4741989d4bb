"""The one task that owns the replica: it takes in views and frames, commits, and answers.

Everybody else leaves work here and waits. A round takes all that has come in meanwhile, so one
commit (a few milliseconds of disk) serves every view that waits for it: a group commit. Nothing
of a round is answered, shown or sent before it is on disk, but `ack=memory`, which asks for that.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from itertools import compress
from typing import Final, NamedTuple, Protocol

from ratchet.frames import Frame
from ratchet.replica import Changes, Replica, Send

from ratchet_server.errors import ApiError
from ratchet_server.settings import Ack
from ratchet_server.store import Store, StoreFullError, Transaction

# How often the replica hears that time has passed.
TICK_S: Final = 0.25
# How soon a view is on disk for which nobody waits: a commit for each would slow down all others.
UNHURRIED_S: Final = 0.02
# Views that may wait at once: at 20,000 a second, this is two seconds of them.
MAX_WAITING: Final = 50_000

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """How often the video is viewed now, and whether this request is among them."""

    views: int
    counted: bool


class Transport(Protocol):
    """Carries frames to peers. Best effort: what can't be sent may be dropped."""

    def send(self, sends: Iterable[Send]) -> None:
        """Take the frames along; return at once."""


class _View(NamedTuple):
    """A view that waits for its commit."""

    video: str
    key: str | None
    answer: "asyncio.Future[Answer]"


class _Heard(NamedTuple):
    """A frame that waits for its turn."""

    frame: Frame
    process: str
    done: "asyncio.Future[None]"


class Keeper:
    """Owns `replica` and `store`. `run` is its task; the other methods may be called by anybody."""

    def __init__(
        self,
        replica: Replica,
        store: Store,
        *,
        key_lifetime_s: int,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.replica = replica
        # Called with the videos whose visible number may have changed.
        self.on_change: Callable[[set[str]], None] = lambda _videos: None
        self.transport: Transport | None = None
        # Whether all that is stored has been read back.
        self.loaded = False
        # Since this process started; for /metrics.
        self.views_counted = 0
        self.keys_met_again = 0
        self.commits = 0
        self.commit_s = 0.0
        self._store = store
        self._key_lifetime_s = key_lifetime_s
        self._clock = clock
        self._wall_clock = wall_clock
        self._wake = asyncio.Event()
        self._stopping = False
        self._views: list[_View] = []
        self._heard: list[_Heard] = []
        # Views answered with ack=memory that are in no committed changes yet.
        self._unwritten: dict[str, int] = {}
        # Those among the changes that are just being written.
        self._writing: dict[str, int] = {}
        self._disk_is_full = False

    # -- for everybody ---------------------------------------------------------------------

    async def count(self, video: str, key: str | None, ack: Ack) -> Answer:
        """Count one view of `video`, once for each `key`, and wait for what `ack` promises.

        A view with a key is answered from disk whatever `ack` says: only there is it known
        whether the key has come before. If the caller is cancelled the view may count or not.
        Raises `ApiError`; 503 means surely not counted.
        """
        if self._stopping:
            raise ApiError(503, "stopping", "This node is stopping; another one will count it.")
        if ack == "memory" and key is None and self.replica.slot is not None:
            self.replica.count(video)
            if not self._unwritten:
                asyncio.get_running_loop().call_later(UNHURRIED_S, self._wake.set)
            self._unwritten[video] = self._unwritten.get(video, 0) + 1
            self.views_counted += 1
            return Answer(self.replica.value(video) + self.replica.pending(video), True)
        if len(self._views) >= MAX_WAITING:
            raise ApiError(503, "overloaded", "Too many views wait here.", retry_after_s=1)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._views.append(_View(video, key, answer))
        self._wake.set()
        return await answer

    async def receive(self, frame: Frame, process: str) -> None:
        """Take in a peer's frame; returns when it is merged, so that a peer can't outrun us."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard.append(_Heard(frame, process, done))
        self._wake.set()
        await done

    def joined(self, process: str, node: str) -> None:
        """A peer is connected."""
        self._send(self.replica.joined(process, node))

    def left(self, process: str) -> None:
        """A peer is gone."""
        self.replica.left(process)

    def refuse_all(self) -> None:
        """The node stops before `run` began: answer whoever waits."""
        self._stopping = True
        self._refuse(self._views, "This node has stopped; another one will count it.")

    def stop(self) -> None:
        """Take no more views; `run` writes what there is and returns."""
        self._stopping = True
        self._wake.set()

    # -- the task --------------------------------------------------------------------------

    async def load(self) -> None:
        """Read back what is stored. Before `run`. Raises `DataError`."""
        async for part in self._store.load():
            self.replica.restore(part)
        self.loaded = True

    async def run(self) -> None:
        """Serve until `stop`, or until this process is superseded.

        Raises `DataError` when the disk fails; then the process must end.
        """
        ticker = asyncio.create_task(self._tick())
        try:
            while not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                # Whoever else is at the door comes along: a larger group, and fewer commits.
                await asyncio.sleep(0)
                await self._round()
                self._stopping |= self.replica.superseded() is not None
            # Once more for what came in while the last round was being written.
            await self._round()
        finally:
            ticker.cancel()
            self._refuse(self._views, "This node has stopped; another one will count it.")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._wake.set()

    async def _round(self) -> None:
        sends = self.replica.tick(self._clock())
        heard, self._heard = self._heard, []
        for frame, process, done in heard:
            # A peer may have left while its frame waited here.
            if process in self.replica.peers:
                sends += self.replica.receive(frame, process, self._clock())
            if not done.done():
                done.set_result(None)
        self._send(sends)
        self._show_changes()
        await self._write()

    async def _write(self) -> None:
        views: list[_View] = []
        # Until the slot is open nobody can count here: the views wait.
        if self.replica.slot is not None:
            views, self._views = self._views, []
        started = self._clock()
        changes: Changes | None = None
        try:
            if any(view.key for view in views):
                async with self._store.transaction() as transaction:
                    # Keys are stored with the counts that they stand for, or neither is.
                    new = await self._meet_keys(views, transaction)
                    if changes := self._changes(views, new):
                        await transaction.write(changes)
            else:
                new = [True] * len(views)
                if changes := self._changes(views, new):
                    async with self._store.transaction() as transaction:
                        await transaction.write(changes)
        except StoreFullError:
            if changes:
                self.replica.aborted(changes)
                self._count_again()
            if not self._disk_is_full:
                _log.error("the disk is full: views are refused until there is room")
            self._disk_is_full = True
            self._refuse(views, "This node's disk is full; it was not counted.")
            return
        if self._disk_is_full and changes:
            self._disk_is_full = False
            _log.info("there is room on the disk again")
        if changes:
            self._send(self.replica.committed(changes))
            self.commits += 1
            self.commit_s += self._clock() - started
        for view, is_new in zip(views, new, strict=True):
            self.views_counted += is_new
            self.keys_met_again += not is_new
            if not view.answer.done():
                view.answer.set_result(Answer(self.replica.value(view.video), is_new))
        self._show_changes()

    def _changes(self, views: list[_View], new: list[bool]) -> Changes | None:
        for view in compress(views, new):
            self.replica.count(view.video)
        # In one step with changes(), which holds just these: more may be answered while it is
        # being written.
        self._writing, self._unwritten = self._unwritten, {}
        return self.replica.changes()

    def _count_again(self) -> None:
        """Views that were answered with ack=memory, and whose changes were aborted."""
        for video, views in self._writing.items():
            self.replica.count(video, views)
            self._unwritten[video] = self._unwritten.get(video, 0) + views

    async def _meet_keys(self, views: list[_View], transaction: Transaction) -> list[bool]:
        """Which views are new: those without a key, and those whose key is met first."""
        now_s = int(self._wall_clock())
        keys = dict.fromkeys(view.key for view in views if view.key)
        known = dict(await transaction.known_keys(keys, now_s))
        fresh: dict[str, str] = {}
        new = []
        for video, key, answer in views:
            first_video = known.get(key) if key else None
            new.append(first_video is None)
            if key and first_video is None:
                known[key] = fresh[key] = video
            elif key and first_video != video and not answer.done():
                answer.set_exception(_other_video(key, first_video))
        await transaction.remember_keys(fresh, now_s, now_s + self._key_lifetime_s)
        return new

    def _send(self, sends: list[Send]) -> None:
        if sends and self.transport:
            self.transport.send(sends)

    def _show_changes(self) -> None:
        if self.replica.changed:
            changed, self.replica.changed = self.replica.changed, set()
            self.on_change(changed)

    def _refuse(self, views: list[_View], why: str) -> None:
        for view in views:
            if not view.answer.done():
                view.answer.set_exception(ApiError(503, "not_counted", why, retry_after_s=1))


def _other_video(key: str, video: str | None) -> ApiError:
    return ApiError(
        422, "key_reused", f"The Idempotency-Key {key} was used for {video}; use a new one a view."
    )
