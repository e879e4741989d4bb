"""The one task that owns the replica: it takes in views and frames, commits, and answers.

All other tasks leave their work here and wait. A round takes everything that has come in since the
last one, so one commit (a few milliseconds of disk) serves every view that waits: a group commit.
Until a view is on disk, the keeper does not answer it, show it, or send it to peers. The exception
is a view with `ack=memory`, which it answers and shows at once.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import compress, islice
from typing import Final, NamedTuple

from ratchet.bounds import Implausible
from ratchet.changes import Changes
from ratchet.frames import Frame, Hello, Send
from ratchet.names import MAX_COUNT
from ratchet.notices import Kind
from ratchet.replica import Replica
from ratchet.slot import Slot

from ratchet_server.counting.failures import NothingWritten
from ratchet_server.counting.health import Health
from ratchet_server.counting.refusals import (
    ClockInDoubt,
    CountFull,
    KeyReused,
    NoPeer,
    NotCounted,
    NotShared,
    Overloaded,
    Refusal,
    Stopped,
)
from ratchet_server.counting.store import Store
from ratchet_server.counting.transaction import Transaction
from ratchet_server.crash_points import reached
from ratchet_server.settings import Ack

# How often the replica ticks.
TICK_S: Final = 0.25
# How long a view with `ack=memory` may wait for its commit, so that one commit serves many of them.
# A commit for each would slow down all other views.
MEMORY_COMMIT_S: Final = 0.02
# How many views may wait at once: two and a half seconds of them, at 20,000 a second.
MAX_WAITING: Final = 50_000
# How notices are logged that are no warnings.
_LEVELS: Final[Mapping[Kind, int]] = {
    "opened": logging.INFO,
    "folded": logging.INFO,
    "forgotten": logging.INFO,
    "cut": logging.ERROR,
}
# How many numbers that can't be true a node logs when it starts.
MAX_FAULTS: Final = 10

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """How many views the video has now, and whether this request has added one."""

    views: int
    counted: bool


class _View(NamedTuple):
    """A view that waits for our commit and, if `on_peers`, for a peer's."""

    video: str
    key: str | None
    on_peers: bool
    answer: "asyncio.Future[Answer]"


class _Sharing(NamedTuple):
    """Views that are on our disk, and wait until a peer has our slots up to `seqs` on its disk."""

    seqs: Mapping[Slot, int]
    until: float
    views: list[tuple[_View, bool]]


class _Received(NamedTuple):
    """A peer's frame that waits for the next round."""

    frame: Frame
    process: str
    done: "asyncio.Future[None]"


class Keeper:
    """Owns `replica` and `store`. `run` is its task; any other task may call the other methods."""

    def __init__(
        self,
        replica: Replica,
        store: Store,
        *,
        key_lifetime_s: int,
        peers_timeout_s: float = 5.0,
        send: Callable[[list[Send]], None] = lambda _sends: None,
        unmet: Callable[[], int] = lambda: 0,
        unfound: Callable[[], int | None] = lambda: None,
        show: Callable[[set[str]], None] = lambda _videos: None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`send` sends frames to peers, and returns at once; it may drop frames that it can't send.
        `unmet` returns at how many of the addresses given to this node no node has answered yet.
        `unfound` returns at how many of them the node has not found its cluster: see
        `Replica.tick`. `show` is called with the videos whose visible number may have changed."""
        self.replica = replica
        # Since this process started, for /metrics.
        self.views_counted = 0
        self.keys_repeated = 0
        self.commits = 0
        self.commit_s = 0.0
        # How many notices of each kind the replica has given, for /metrics.
        self.notices: Counter[str] = Counter()
        # Set once a newer process of this name has taken over. Then this process must end.
        self.superseded = asyncio.Event()
        self._store = store
        self._health = Health(store, self.replica.table, clock=clock)
        self._key_lifetime_s = key_lifetime_s
        self._peers_timeout_s = peers_timeout_s
        self._send_to_peers = send
        self._unmet = unmet
        self._unfound = unfound
        self._show = show
        self._clock = clock
        # The wall clock's lead over `clock` when this process started. Keys expire by `clock`: if
        # they expired by a wall clock that somebody sets an hour ahead, all would expire at once.
        self._wall_from = wall_clock() - clock()
        self._wake = asyncio.Event()
        # Whether `end` was called.
        self._ending = False
        # Why the keeper refuses views; None while it accepts them.
        self._refusal: type[NotCounted] | None = None
        # Whether `run` has returned, or failed.
        self._has_run = False
        # Views that wait for the next round.
        self._views: list[_View] = []
        self._sharing: list[_Sharing] = []
        # The callers that wait in `written`.
        self._flushing: list[asyncio.Future[None]] = []
        self._received: list[_Received] = []
        # Whether views have been answered with ack=memory since the last write began.
        self._answered_early = False

    # -- for all other tasks ---------------------------------------------------------------

    def value(self, video: str) -> int:
        """The number to show: the views on disk, and those that ack=memory has answered since."""
        return self.replica.journal.shown(video)

    async def count_view(self, video: str, key: str | None, ack: Ack) -> Answer:
        """Count one view of `video`, once for each `key`, and wait for what `ack` promises.

        A view with a key waits for the disk even with ack=memory, because only the database knows
        whether the key has come before. If the caller is cancelled, the view may count or not.
        Raises `NotCounted`, or `NotShared` if the view is on our disk alone.
        """
        if self._refusal:
            raise self._refusal
        if self.replica.tenure.in_doubt(self._clock()):
            raise ClockInDoubt
        if ack == "memory" and key is None and self.replica.counting:
            if self._is_full(video):
                raise CountFull
            self.replica.count(video, answered=True)
            if not self._answered_early:
                self._answered_early = True
                asyncio.get_running_loop().call_later(MEMORY_COMMIT_S, self._wake.set)
            self.views_counted += 1
            return Answer(self.value(video), True)
        if len(self._views) >= MAX_WAITING:
            raise Overloaded
        if ack == "peers" and key is None and not self.replica.peers.by_process:
            raise NoPeer
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._views.append(_View(video, key, ack == "peers", answer))
        self._wake.set()
        return await answer

    async def receive(self, frame: Frame, process: str) -> None:
        """Merge a peer's frame. Returns once that is done, so that a peer can't outpace us.

        Raises `Implausible` if the frame claims what can't be true; nothing has changed then.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received.append(_Received(frame, process, done))
        self._wake.set()
        await done

    def joined(self, hello: Hello) -> None:
        """A peer is connected."""
        self._send(self.replica.joined(hello))

    def left(self, process: str) -> None:
        """The last connection to a peer is gone."""
        self.replica.left(process)

    def ask_to_confirm(self) -> None:
        """Ask the peers to confirm at once which rows of our slots they have on disk."""
        self._send(self.replica.ask_to_confirm())

    async def written(self) -> None:
        """Return once everything that is in memory now is on disk. Raises `NotCounted` if the disk
        is full or the keeper has stopped."""
        if self._has_run:
            raise Stopped
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushing.append(done)
        self._wake.set()
        await done

    def refuse(self, why: type[NotCounted]) -> None:
        """Refuse all views from now on. Those that wait already still count if our slot is open."""
        self._refusal = why
        if not self.replica.counting:
            views, self._views = self._views, []
            _refuse(views, why)

    def end(self) -> None:
        """Ask `run` to write everything that is left, and return."""
        self._ending = True
        self._wake.set()

    # -- the task --------------------------------------------------------------------------

    async def load(self) -> None:
        """Read everything back from the store. Call it before `run`. Raises `DataError`."""
        table, bounds = self.replica.table, self.replica.bounds
        async for part in self._store.load():
            table.restore(part)
        if self._store.has_lost_ids:
            self.replica.identity.lost_ids()
        await self._health.mend()
        # A node on a machine whose clock is behind must start all the same, and go on when somebody
        # sets the clock.
        faults = await asyncio.to_thread(lambda: [*islice(bounds.faults(table), MAX_FAULTS)])
        for fault in faults:
            _log.error(
                "the data has a number that can't be true: %s. Other nodes refuse it: set the "
                'clock, or see "Numbers that can\'t be true" in OPERATING.md',
                fault.text,
            )

    async def run(self) -> None:
        """Work until `end`. Raises `DataError` if the disk fails; then the process must end."""
        ticker = asyncio.create_task(self._tick())
        try:
            while not self._ending:
                await self._wake.wait()
                self._wake.clear()
                # Let tasks that are ready to run enqueue their views first: fewer commits.
                await asyncio.sleep(0)
                await self._round()
            # Once more, for work that came in while the last round was writing.
            await self._round()
        finally:
            ticker.cancel()
            self._has_run, self._refusal = True, Stopped
            _refuse(self._views, Stopped)
            self._answer_shared(at_the_end=True)
            for done in self._flushing:
                if not done.done():
                    done.set_exception(Stopped())

    async def _tick(self) -> None:
        while True:
            self._wake.set()
            await asyncio.sleep(TICK_S)

    async def _round(self) -> None:
        if self._answered_early and self._received:
            # Write the answered views first: a frame may close our slot, and they belong to it.
            await self._write()
        sends = self.replica.tick(self._clock(), self._unmet(), self._unfound())
        received, self._received = self._received, []
        for frame, process, done in received:
            # The peer may have left while its frame waited here.
            if process in self.replica.peers.by_process:
                try:
                    sends += self.replica.receive(frame, process, self._clock())
                except Implausible as error:
                    if not done.done():
                        done.set_exception(error)
            if not done.done():
                done.set_result(None)
        self._send(sends)
        self._show_changes()
        self._take_notices()
        if self.replica.tenure.in_doubt(self._clock()):
            views, self._views = self._views, []
            _refuse(views, ClockInDoubt)
        await self._write()
        self._answer_shared()
        if self.replica.table.lifting:
            # The store lifts a large slot part by part, one in each round: views and frames come in
            # between.
            self._wake.set()

    async def _write(self) -> None:
        views: list[_View] = []
        # Until our slot is open, views wait.
        if self.replica.counting:
            views, self._views = self._views, []
        flushing, self._flushing = self._flushing, []
        started = self._clock()
        changes: Changes | None = None
        try:
            await self._health.look()
            if any(view.key for view in views):
                async with self._store.transaction() as transaction:
                    # Store keys in the same transaction as their views: both, or neither.
                    new = await self._look_up_keys(views, transaction)
                    if changes := self._changes(views, new):
                        await transaction.write(changes)
            else:
                new = [self._is_countable(view) for view in views]
                if changes := self._changes(views, new):
                    async with self._store.transaction() as transaction:
                        await transaction.write(changes)
        except NothingWritten as reason:
            if changes:
                self.replica.aborted(changes)
                # The replica keeps the views that are already answered. They must wait for a
                # commit again.
                self._answered_early = True
            why = self._health.unwritable(reason)
            _refuse(views, why)
            for done in flushing:
                if not done.done():
                    done.set_exception(why())
            return
        if changes:
            self._health.writable()
            self._send(self.replica.committed(changes))
            self.commits += 1
            self.commit_s += self._clock() - started
            _reach_crash_points(changes)
        self._answer(list(zip(views, new, strict=True)))
        for done in flushing:
            if not done.done():
                done.set_result(None)
        self._show_changes()

    def _answer(self, views: list[tuple[_View, bool]]) -> None:
        on_peers = []
        for view, is_new in views:
            if view.answer.done() and not is_new:
                continue  # It has been refused, or its caller no longer waits.
            self.views_counted += is_new
            self.keys_repeated += not is_new
            if view.on_peers:
                on_peers.append((view, is_new))
            elif not view.answer.done():
                view.answer.set_result(Answer(self.value(view.video), is_new))
        if on_peers:
            until = self._clock() + self._peers_timeout_s
            self._sharing.append(_Sharing(self.replica.holdings.own_seqs(), until, on_peers))
            if not all(is_new for _, is_new in on_peers):
                # No push asks the peers about views that were counted earlier.
                self.ask_to_confirm()

    def _answer_shared(self, *, at_the_end: bool = False) -> None:
        """Answer the views with ack=peers that a peer has. Refuse those that waited too long."""
        for group in self._sharing[:]:
            shared = self.replica.holdings.shared(group.seqs)
            if shared or at_the_end or self._clock() > group.until:
                self._sharing.remove(group)
                for view, is_new in group.views:
                    if view.answer.done():
                        continue
                    if shared:
                        view.answer.set_result(Answer(self.value(view.video), is_new))
                    else:
                        view.answer.set_exception(NotShared())

    def _take_notices(self) -> None:
        for kind, node, text in self.replica.notices.take():
            self.notices[kind] += 1
            if kind == "missing":
                text += f" (ratchet retire {node} --via URL)"
            _log.log(_LEVELS.get(kind, logging.WARNING), "%s", text)
            if kind == "opened":
                reached("slot-opened")
            if kind == "superseded":
                self.superseded.set()
        if self.replica.table.lifting:
            reached("fold-decided")

    def _is_full(self, video: str) -> bool:
        """Whether one more view of `video` would change nothing."""
        return self.value(video) >= MAX_COUNT

    def _is_countable(self, view: _View) -> bool:
        """Whether one more view of the video changes its number. If not, refuse it."""
        if self._is_full(view.video):
            _refuse_one(view.answer, CountFull())
            return False
        return True

    def _changes(self, views: list[_View], new: list[bool]) -> Changes | None:
        for view in compress(views, new):
            self.replica.count(view.video)
        self._answered_early &= not self.replica.counting
        return self.replica.changes(confirm=any(view.on_peers for view in views))

    async def _look_up_keys(self, views: list[_View], transaction: Transaction) -> list[bool]:
        """Whether each view is new: it has no key, or a key that has not come before."""
        # Times are whole seconds. Round so that no key expires even part of a second too early.
        wall = self._wall_from + self._clock()
        now_s, since_s = int(wall), math.ceil(wall)
        keys = dict.fromkeys(view.key for view in views if view.key)
        known = dict(await transaction.known_keys(keys, now_s))
        fresh: dict[str, str] = {}
        new = []
        for view in views:
            video, key, on_peers, answer = view
            first_video = known.get(key) if key else None
            if on_peers and first_video is None and not self.replica.peers.by_process:
                # Refuse only after the look-up. If the key had come before, its view has counted
                # already, and this refusal would deny that.
                _refuse_one(answer, NoPeer())
                new.append(False)
                continue
            if first_video is None and not self._is_countable(view):
                new.append(False)
                continue
            new.append(first_video is None)
            if key:
                if first_video is None:
                    known[key] = fresh[key] = video
                elif first_video != video:
                    _refuse_one(answer, KeyReused(key, first_video))
        await transaction.remember_keys(fresh, now_s, since_s + self._key_lifetime_s)
        return new

    def _send(self, sends: list[Send]) -> None:
        if sends:
            self._send_to_peers(sends)

    def _show_changes(self) -> None:
        table = self.replica.table
        if table.changed:
            changed, table.changed = table.changed, set()
            self._show(changed)


def _refuse(views: Iterable[_View], why: type[NotCounted]) -> None:
    for view in views:
        _refuse_one(view.answer, why())


def _refuse_one(answer: "asyncio.Future[Answer]", why: Refusal) -> None:
    if not answer.done():
        answer.set_exception(why)


def _reach_crash_points(changes: Changes) -> None:
    if changes.closed:
        reached("slot-written")
    for lift in changes.lifts:
        reached("fold-written" if lift.last else "fold-part-written")
