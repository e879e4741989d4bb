"""How a node goes: the balancer hears of it first, then views are refused, and rows handed over.

In this order no view fails: while the balancer still sends views, they are counted; when they are
refused, it has stopped sending them. What was counted is on disk, and on a peer's disk, before the
process ends. All of it takes bounded time.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal, Stopping, Superseded
from ratchet_server.crash_points import reached

# A balancer that has asked /readyz in this time is one that must be told.
PROBED_S: Final = 3.0
# How long it may take to ask again, as often as it needs to believe it.
TOLD_S: Final = 3.0
# Our HAProxy takes a node out of service after the second refusal.
TOLD_TIMES: Final = 2
# How long peers may take to have our last rows on disk.
HAND_OVER_S: Final = 5.0
# The same where it is for good, and some peer is there to take them: a million rows take a while.
LONG_HAND_OVER_S: Final = 60.0
# How long a node that leaves something behind answers what, before it ends.
LAST_WORDS_S: Final = 1.0
_LOOK_S: Final = 0.02

_log = logging.getLogger(__name__)


class Departure:
    """Whether this node goes, why, and how far it has come."""

    def __init__(self, keeper: Keeper, *, stored: bool) -> None:
        """`stored`: what this node has outlives its process."""
        self.asked = asyncio.Event()
        self.leaving = False
        # A part of the node has failed: it goes for that, if for nothing else.
        self.failure: BaseException | None = None
        self.stored = stored
        self._keeper = keeper
        # How many changes no other node has, of a node that has left all the same.
        self.left_behind = 0
        self.hurried = False
        self._last_probe = -PROBED_S
        self._refused_probes = 0

    def ask(self, *, leave: bool = False) -> None:
        """Let the node stop: for now, or with `leave` for good. Again: a `leave` still counts."""
        self.leaving |= leave
        self.asked.set()

    def fail(self, failure: BaseException) -> None:
        """Let the node stop, because a part of it has failed and it must not count on alone."""
        self.failure = failure
        self.ask()

    def hurry(self) -> None:
        """Wait for nobody any more."""
        self.hurried = True

    @property
    def superseded(self) -> bool:
        """Whether the node goes because a newer process has its name."""
        return self._keeper.superseded.is_set()

    @property
    def goes(self) -> bool:
        """Whether a balancer should send nothing here any more."""
        return self.asked.is_set() or self.superseded

    def probe(self) -> None:
        """A balancer asks whether to send anything here."""
        self._last_probe = time.monotonic()
        self._refused_probes += self.asked.is_set()

    async def go(self) -> None:
        """Do what has to be done before the process ends. `run` of the keeper goes on meanwhile."""
        if self.asked.is_set():
            _log.info("%s", "leaving for good" if self.leaving else "stopping")
            await self._tell_the_balancer()
        if self.superseded:
            await self._give_way()
        else:
            await self._hand_over()

    async def _tell_the_balancer(self) -> None:
        """Return when no balancer sends anything here any more, as far as can be known."""
        begun = time.monotonic()
        if begun - self._last_probe < PROBED_S:
            await self._until(lambda: self._refused_probes >= TOLD_TIMES, TOLD_S)

    async def _hand_over(self) -> None:
        """Write the last views, close the slot if this node leaves, and wait for a peer to have
        all that would be gone with us."""
        keeper, replica = self._keeper, self._keeper.replica
        keeper.refuse(Stopping)
        if self.leaving:
            reached("leave-refusing")
        await self._written()
        if not (self.leaving or self.stored):
            keeper.ask_to_confirm()
            if not await self._until_handed_over():
                self.left_behind = replica.unshared()
                _log.error("%d changes are lost with this node's memory", self.left_behind)
                await self._last_words()
            return
        if not self.leaving:
            keeper.ask_to_confirm()
            holdings = replica.holdings
            mine = holdings.own_seqs()
            # An operator may ask it to leave meanwhile; then it must not just stop.
            await self._until(
                lambda: (
                    self.leaving or replica.holdings.shared(mine) or not replica.peers.by_process
                ),
                HAND_OVER_S,
            )
            if not self.leaving:
                if any(mine.values()) and not holdings.shared(mine):
                    _log.warning(
                        "no other node has all of our rows yet; they are in this node's data"
                    )
                return
        replica.leave()
        reached("leave-closed")
        await self._written()
        reached("leave-written")
        keeper.ask_to_confirm()
        if not await self._until_handed_over():
            self.left_behind = replica.unshared()
            _log.error(
                "leaving with %d changes that no other node has: %s",
                self.left_behind,
                "they are only in this node's data. Start it there once more to hand them over"
                if self.stored
                else "they are lost with its memory",
            )
            await self._last_words()
        reached("leave-handed-over")

    async def _give_way(self) -> None:
        """A newer process has our name: hand over all that we counted."""
        keeper, replica = self._keeper, self._keeper.replica
        keeper.refuse(Superseded)
        await self._written()
        keeper.ask_to_confirm()
        if not await self._until(lambda: replica.unshared() == 0, LONG_HAND_OVER_S):
            _log.error("no other node has all of our rows; they are only in this process's data")

    async def _last_words(self) -> None:
        """A program that waits for the end can ask what was left behind."""
        await self._until(lambda: False, LAST_WORDS_S)

    async def _written(self) -> None:
        try:
            await self._keeper.written()
        except Refusal as refusal:
            # What is answered is on disk all the same.
            _log.error("the last changes from others could not be written: %r", refusal)

    async def _until_handed_over(self) -> bool:
        """Whether all of this node is on another's disk now; long, as long as there is another."""
        replica = self._keeper.replica
        # A missing node may start meanwhile; a node that is the only one waits for nobody.
        soon = time.monotonic() + (HAND_OVER_S if len(replica.observe().members) > 1 else 0)

        def over() -> bool:
            # Where several leave at once, none waits for the others.
            stays = bool(replica.holdings.staying())
            in_vain = time.monotonic() > soon and not stays
            return in_vain or replica.unshared() == 0

        await self._until(over, LONG_HAND_OVER_S)
        return replica.unshared() == 0

    async def _until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        end = time.monotonic() + patience_s
        # Looked at, not told: it happens once in a life, and needs no event in the core.
        while not holds():
            if self.hurried or time.monotonic() > end:
                return False
            await asyncio.sleep(_LOOK_S)
        return True
