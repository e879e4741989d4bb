"""The one task that owns the replica: it takes in views and frames, commits, and answers.

All other tasks leave their work here and wait. A round takes everything that has come in since the
last one, so one commit (a few milliseconds of disk) serves every view that waits: a group commit.
Until a view is on disk, the keeper does not answer it, show it, or send it to peers. The exception
is a view with `ack=memory`, which it answers and shows at once.
"""

import asyncio
import gc
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from itertools import compress, islice
from typing import Final, NamedTuple

from ratchet.bounds import Implausible
from ratchet.changes import Changes
from ratchet.frames import Frame, Hello, Send
from ratchet.names import MAX_COUNT
from ratchet.notices import Kind
from ratchet.replica import Replica
from ratchet.retries import Fate

from ratchet_server.counting.admission import Admission, Admitted, Limits
from ratchet_server.counting.answers import Answers, Outcome, refuse, refuse_one
from ratchet_server.counting.failures import NothingWritten
from ratchet_server.counting.health import Health
from ratchet_server.counting.orders import Answer, Batch, BatchAnswer, Entry, View
from ratchet_server.counting.refusals import (
    ClockInDoubt,
    CountFull,
    NoPeer,
    NotCounted,
    Overloaded,
    Refusal,
    Stopped,
)
from ratchet_server.counting.store import Store
from ratchet_server.counting.transaction import Transaction
from ratchet_server.counting.waiting import Waiting
from ratchet_server.crash_points import reached
from ratchet_server.durations import Durations
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
        self.commits = Durations()
        # How many notices of each kind the replica has given, for /metrics.
        self.notices: Counter[str] = Counter()
        # Set once a newer process of this name has taken over. Then this process must end.
        self.superseded = asyncio.Event()
        self._store = store
        self.health = Health(store, self.replica, clock=clock)
        self._answers = Answers(
            replica.holdings,
            self.value,
            self.ask_to_confirm,
            timeout_s=peers_timeout_s,
            clock=clock,
        )
        self._waiting = Waiting(self.value, clock)
        self._key_lifetime_s = key_lifetime_s
        self._send_to_peers = send
        self._unmet = unmet
        self._unfound = unfound
        self._show = show
        self._clock = clock
        # What the clock by which keys expire has more than `clock`. If they expired by the wall
        # clock, and somebody set that an hour ahead, all would expire at once. So their clock
        # starts with the wall clock, and goes on in the next process where it was: see `load`.
        self._keys_from = wall_clock() - clock()
        self._wake = asyncio.Event()
        # Whether `end` was called.
        self._ending = False
        # Why the keeper refuses views; None while it accepts them.
        self._refusal: type[NotCounted] | None = None
        # Whether `run` has returned, or failed.
        self._has_run = False
        # Views that wait for the next round.
        self._views: list[View] = []
        # One of them is written in each round, so that views wait for one at most.
        self._batches: deque[Batch] = deque()
        # The callers that wait in `written`.
        self._flushing: list[asyncio.Future[None]] = []
        self._received: list[_Received] = []
        # Whether views have been answered with ack=memory since the last write began.
        self._answered_early = False

    # -- for all other tasks ---------------------------------------------------------------

    def value(self, video: str) -> int:
        """The number to show: the views on disk, and those that ack=memory has answered since."""
        return self.replica.journal.shown(video)

    @property
    def waiting(self) -> int:
        """How many views wait for the next commit."""
        return len(self._views) + sum(len(batch.entries) for batch in self._batches)

    @property
    def keys_held(self) -> int:
        """How many keys the store remembers."""
        return self._store.keys

    @property
    def clock_in_doubt(self) -> bool:
        """Whether views are refused because our clock, or that of a peer, is wrong."""
        return self.replica.tenure.in_doubt(self._clock())

    async def count_view(
        self, video: str, key: str | None, ack: Ack, *, retry: bool = False
    ) -> Answer:
        """Count one view of `video`, once for each `key`, and wait for what `ack` promises.

        `retry`: it has been sent before, perhaps to another node. If not all nodes can be asked, it
        is pending, and on our disk; so may be any view with a key while nodes start. A view with a
        key waits for the disk even with ack=memory, because only the database knows whether the key
        has come before. If the caller is cancelled, the view may count or not. Raises `NotCounted`,
        or `NotShared` if the view is on our disk alone.
        """
        self.check_accepting()
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
        self._views.append(View(video, key, retry, ack == "peers", answer))
        self._wake.set()
        return await answer

    async def count_batch(
        self, entries: Sequence[Entry], ack: Ack, *, retry: bool = False
    ) -> BatchAnswer:
        """Count all of `entries` in one transaction, or none, and wait for what `ack` promises.

        With ack=memory, this waits for the disk, too. Returns how many views were counted: those
        whose key has come before are not counted again. `retry`: see `count_view`; those that are
        pending are on our disk alone. If the caller is cancelled, they may count or not. Raises as
        `count_view` does, and `BadEntry`.
        """
        self.check_accepting()
        if self.waiting + len(entries) > MAX_WAITING:
            raise Overloaded
        answer: asyncio.Future[BatchAnswer] = asyncio.get_running_loop().create_future()
        self._batches.append(Batch(entries, retry, ack == "peers", answer))
        self._wake.set()
        return await answer

    def check_accepting(self) -> None:
        """Raises `NotCounted` if no views can be accepted."""
        if self._refusal:
            raise self._refusal
        if self.replica.tenure.in_doubt(self._clock()):
            raise ClockInDoubt

    @property
    def now(self) -> float:
        """The time by the keeper's clock."""
        return self._clock()

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

    async def hand_keys_over(self, taken: Callable[[], Awaitable[bool]]) -> bool:
        """Tell another node, part by part, which keys have counted here. Call it when nothing
        counts any more, and nothing is pending. `taken` waits until all keys that were sent are
        taken, and returns whether they are; if not, this ends. Whether all are. Raises `DataError`.
        """
        handover = self.replica.retries.handover
        async with aclosing(self._store.counted_keys()) as parts:
            async for part in parts:
                self._send(handover.give(part))
                if not await taken():
                    return False
        self._send(self.replica.farewell())
        return True

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
            self._refuse_all(why)

    def end(self) -> None:
        """Ask `run` to write everything that is left, and return."""
        self._ending = True
        self._wake.set()

    # -- the task --------------------------------------------------------------------------

    async def load(self) -> None:
        """Read everything back from the store. Call it before `run`. Raises `DataError`."""
        table, bounds = self.replica.table, self.replica.bounds
        # All that is read stays. Searching it for garbage, again and again, takes a quarter of the
        # time.
        gc.disable()
        try:
            async for part in self._store.load():
                self.replica.restore(part)
        finally:
            gc.enable()
        if self._store.has_lost_ids:
            self.replica.identity.lost_ids()
        await self.health.mend()
        if expires_s := await self._store.last_expiry_s():
            # A new key was put at that time, or in the second before it.
            self._keys_from = expires_s - self._key_lifetime_s - 1 - self._clock()
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
            while self._batches and self.replica.counting:
                await self._round()
        finally:
            ticker.cancel()
            self._has_run, self._refusal = True, Stopped
            self._refuse_all(Stopped)
            self._answers.give_shared(at_the_end=True)
            self._waiting.give_up(at_the_end=True)
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
            self._refuse_all(ClockInDoubt)
        await self._write()
        self._answers.give_shared()
        self._waiting.give_up()
        if self.replica.table.lifting:
            # The store lifts a large slot part by part, one in each round: views and frames come in
            # between.
            self._wake.set()

    async def _write(self) -> None:
        views: list[View] = []
        batch: Batch | None = None
        # Until our slot is open, views wait.
        if self.replica.counting:
            views, self._views = self._views, []
            batch = self._batches.popleft() if self._batches else None
        flushing, self._flushing = self._flushing, []
        started = self._clock()
        changes: Changes | None = None
        try:
            await self.health.look()
            # Times are whole seconds. Round so that no key expires even part of a second too early.
            now_s = self._keys_from + self._clock()
            keys = _keys(views, batch)
            known = await self._store.known_keys(keys, int(now_s)) if keys else {}
            # Before anything is decided: this may fail.
            asked = await self._look_up_asked()
            fates, added = self._admit(
                views, batch, Admission(self._limits(), self.replica.retries, known)
            )
            self._send(self.replica.retries.answer(asked))
            if changes := self._changes(views, batch, fates, added):
                until_s = math.ceil(now_s) + self._key_lifetime_s
                heard_s = self._keys_from + self.replica.inquiries.heard_until(self._clock())
                await self._store.commit(_writing(changes, min(now_s, heard_s), until_s))
        except NothingWritten as reason:
            if changes:
                self.replica.aborted(changes)
                # The replica keeps the views that are already answered. They must wait for a
                # commit again.
                self._answered_early = True
            why = self.health.unwritable(reason)
            refuse(views, why)
            if batch:
                refuse_one(batch, why())
            for done in flushing:
                if not done.done():
                    done.set_exception(why())
            return
        if changes:
            self.health.writable()
            self._send(self.replica.committed(changes))
            self.commits.add(self._clock() - started)
            _reach_crash_points(changes)
        self._answer(views, fates, batch, added)
        for done in flushing:
            if not done.done():
                done.set_result(None)
        self._show_changes()
        if self._batches:
            self._wake.set()

    async def _look_up_asked(self) -> dict[str, str | None]:
        """What the store has of the keys that peers ask for, also of those that have expired."""
        asked = self.replica.retries.asked()
        return await self._store.known_keys([*asked], 0) if asked else {}

    def _admit(
        self, views: list[View], batch: Batch | None, admission: Admission
    ) -> tuple[list[Fate], Admitted | None]:
        """What becomes of each view, and of the batch. Refuse those that can't count."""
        fates = []
        for view in views:
            try:
                fates.append(admission.fate(view))
            except Refusal as why:
                fates.append(Fate.REFUSED)
                refuse_one(view, why)
        if batch:
            try:
                return fates, admission.admit(batch)
            except Refusal as why:
                refuse_one(batch, why)
        return fates, None

    def _answer(
        self, views: list[View], fates: list[Fate], batch: Batch | None, added: Admitted | None
    ) -> None:
        """A transaction is on disk: answer these, and all whose keys are pending no more."""
        retries = self.replica.retries
        repeated = 0
        decided = list[tuple[View, bool]]()
        batches = list[tuple[Batch, BatchAnswer]]()
        for view, fate in zip(views, fates, strict=True):
            if fate is Fate.PENDING and view.key:
                self._waiting.add(view, {view.key: 1}, 0, retries.pending_s([view.key]))
            elif fate is not Fate.REFUSED:
                decided.append((view, fate is Fate.NEW))
                repeated += fate is Fate.COUNTED
                self.views_counted += fate is Fate.NEW
        if batch and added:
            counted, pending = sum(added.new.values()), sum(added.pending.values())
            self.views_counted += counted
            repeated += sum(entry.n for entry in batch.entries) - counted - pending
            if pending:
                self._waiting.add(batch, added.pending, counted, retries.pending_s(added.pending))
            else:
                batches.append((batch, BatchAnswer(counted, 0)))
        outcomes, retries.outcomes = retries.outcomes, {}
        self.views_counted += sum(outcomes.values())
        repeated += sum(not counted for counted in outcomes.values())
        for order, counted in self._waiting.settled(outcomes):
            if isinstance(order, View):
                decided.append((order, counted > 0))
            else:
                batches.append((order, BatchAnswer(counted, 0)))
        self.keys_repeated += repeated
        self._answers.give(Outcome(decided, batches, repeated > 0 or outcomes != {}))

    def _limits(self) -> Limits:
        return Limits(bool(self.replica.peers.by_process), self._is_full, self.replica.room)

    def _changes(
        self, views: list[View], batch: Batch | None, fates: list[Fate], added: Admitted | None
    ) -> Changes | None:
        for view in compress(views, (fate is Fate.NEW for fate in fates)):
            self.replica.count(view.video)
        for video, views_of_it in added.new.items() if added else ():
            self.replica.count(video, views_of_it)
        self._answered_early &= not self.replica.counting
        on_peers = any(view.on_peers for view in views) or (batch is not None and batch.on_peers)
        return self.replica.changes(confirm=on_peers)

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

    def _refuse_all(self, why: type[NotCounted]) -> None:
        """Refuse all views that wait for the next round."""
        views, self._views = self._views, []
        refuse(views, why)
        batches, self._batches = self._batches, deque()
        refuse(batches, why)

    def _is_full(self, video: str) -> bool:
        """Whether one more view of `video` would change nothing."""
        return self.value(video) >= MAX_COUNT

    def _send(self, sends: list[Send]) -> None:
        if sends:
            self._send_to_peers(sends)

    def _show_changes(self) -> None:
        table = self.replica.table
        if table.changed:
            changed, table.changed = table.changed, set()
            self._show(changed)


def _keys(views: list[View], batch: Batch | None) -> list[str]:
    """All keys, each once."""
    keys = dict.fromkeys(view.key for view in views if view.key)
    if batch:
        keys |= dict.fromkeys(entry.key for entry in batch.entries if entry.key)
    return [*keys]


def _writing(changes: Changes, drop_s: float, until_s: int) -> Callable[[Transaction], None]:
    """One transaction for keys and their views: both are on disk, or neither. Drop keys that have
    expired before `drop_s`."""
    keys: dict[str, str | None] = dict.fromkeys(changes.promised)
    keys |= {**changes.elsewhere, **changes.counted}

    def write(transaction: Transaction) -> None:
        if keys:
            transaction.keys.drop(int(max(drop_s, 0)))
            transaction.keys.put(keys, until_s)
        transaction.write(changes)

    return write


def _reach_crash_points(changes: Changes) -> None:
    if changes.closed:
        reached("slot-written")
    for lift in changes.lifts:
        reached("fold-written" if lift.last else "fold-part-written")
