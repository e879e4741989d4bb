"""How a node stops without losing a view: in which order, and how long it waits for others.

First the node fails the balancer's checks, and still counts. Once the balancer sends nothing more,
the node refuses views. So no view fails. Then the node writes its last rows and waits until a
peer has them on disk, too. Each of these waits is bounded.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal, Stopping, Superseded
from ratchet_server.crash_points import reached

# A request for /readyz within this time means that a balancer checks this node.
PROBED_S: Final = 3.0
# How long it may take to ask again, as often as it needs to believe it.
TOLD_S: Final = 3.0
# Our HAProxy takes a node out of service after the second refusal.
TOLD_TIMES: Final = 2
# How long peers may take to have our last rows on disk.
HAND_OVER_S: Final = 5.0
# The same for a node that stops for good while a peer is connected: a million rows take a while.
LONG_HAND_OVER_S: Final = 60.0
# How long a node that leaves changes behind still answers how many, before it ends.
LAST_WORDS_S: Final = 1.0
_LOOK_S: Final = 0.02

_log = logging.getLogger(__name__)


class Departure:
    """Whether this node stops, why, and how far it has come."""

    def __init__(self, keeper: Keeper, *, stored: bool) -> None:
        """`stored`: the node's data outlives its process."""
        # Set once something asks this node to stop: a signal, an operator, or a failed part.
        self.asked = asyncio.Event()
        # Whether the node stops for good.
        self.leaving = False
        # The error of the part of this node that has failed; None if none has.
        self.failure: BaseException | None = None
        self.stored = stored
        self._keeper = keeper
        # How many of our changes no other node has, although this node ends.
        self.left_behind = 0
        self.hurried = False
        self._last_probe = -PROBED_S
        self._refused_probes = 0

    def ask(self, *, leave: bool = False) -> None:
        """Ask the node to stop: for now, or with `leave` for good. A later `leave` still counts."""
        self.leaving |= leave
        self.asked.set()

    def fail(self, failure: BaseException) -> None:
        """Ask the node to stop, because a part of it has failed: it must not count on alone."""
        self.failure = failure
        self.ask()

    def hurry(self) -> None:
        """Wait for no other node and no client any more."""
        self.hurried = True

    @property
    def superseded(self) -> bool:
        """Whether the node stops because a newer process has its name."""
        return self._keeper.superseded.is_set()

    @property
    def goes(self) -> bool:
        """Whether the node stops: a balancer should send nothing here any more."""
        return self.asked.is_set() or self.superseded

    def probe(self) -> None:
        """A balancer checks this node. Call this for each check."""
        self._last_probe = time.monotonic()
        self._refused_probes += self.asked.is_set()

    async def go(self) -> None:
        """Do everything that must happen before the process ends. The keeper must still run."""
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
        """Write the last views, and close the slot if this node leaves. Then wait until a peer has
        everything that would be lost with this node."""
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
            # An operator may ask this node to leave meanwhile. Then it must also close its slot.
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
        """A newer process has our name: hand over everything that we have counted."""
        keeper, replica = self._keeper, self._keeper.replica
        keeper.refuse(Superseded)
        await self._written()
        keeper.ask_to_confirm()
        if not await self._until(lambda: replica.unshared() == 0, LONG_HAND_OVER_S):
            _log.error("no other node has all of our rows; they are only in this process's data")

    async def _last_words(self) -> None:
        """Stay for a moment: a program that waits for our end can then read `left_behind`."""
        await self._until(lambda: False, LAST_WORDS_S)

    async def _written(self) -> None:
        try:
            await self._keeper.written()
        except Refusal as refusal:
            # What is answered is on disk all the same.
            _log.error("the last changes from others could not be written: %r", refusal)

    async def _until_handed_over(self) -> bool:
        """Wait until another node has all our changes on disk. Return whether one has them.

        The wait is long only while a node that stays is connected.
        """
        replica = self._keeper.replica
        # A missing node may start meanwhile. The only node of a cluster waits for nobody.
        soon = time.monotonic() + (HAND_OVER_S if len(replica.observe().members) > 1 else 0)

        def over() -> bool:
            # Nodes that leave at the same time must not wait for each other.
            stays = bool(replica.holdings.staying())
            in_vain = time.monotonic() > soon and not stays
            return in_vain or replica.unshared() == 0

        await self._until(over, LONG_HAND_OVER_S)
        return replica.unshared() == 0

    async def _until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        end = time.monotonic() + patience_s
        # Poll: a node stops once, and the core needs no event for that.
        while not holds():
            if self.hurried or time.monotonic() > end:
                return False
            await asyncio.sleep(_LOOK_S)
        return True
