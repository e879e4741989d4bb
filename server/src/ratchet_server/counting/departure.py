"""How a node stops without losing a view: the order of the steps, and the limit of each wait.

First the node fails the balancer's checks, but still counts views. It refuses views only once the
balancer sends no more of them, so no view fails. Then it writes its last rows, and waits until a
peer has them on disk, too.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal, Stopping, Superseded
from ratchet_server.crash_points import reached

# If the last request for /readyz is no older than this, a balancer checks this node.
PROBED_S: Final = 3.0
# How long the node waits for the balancer to notice that it is stopping.
NOTICE_S: Final = 3.0
# Our HAProxy takes a node out of service after the second failed check.
NOTICE_CHECKS: Final = 2
# How long peers may take to have our last rows on disk.
HAND_OVER_S: Final = 5.0
# The same for a node that stops for good while a peer is connected: a million rows take a while.
LONG_HAND_OVER_S: Final = 60.0
# How long all nodes may take to say that they know that this one has left. Who does not know waits
# for it, until its grace is over.
FAREWELL_S: Final = 1.0
# If some changes are only on this node, it stays up this long, so that programs can read how many.
REPORT_S: Final = 1.0
_POLL_S: Final = 0.02

_log = logging.getLogger(__name__)


class Departure:
    """Whether this node is stopping, and why; and the steps of stopping."""

    def __init__(self, keeper: Keeper, *, stored: bool) -> None:
        """`stored`: whether the node's data outlives its process."""
        # Set once a signal, an operator or a failed part has asked this node to stop.
        self.stop_requested = asyncio.Event()
        # Whether the node stops for good.
        self.leaving = False
        # The error of the part of this node that has failed, if any.
        self.failure: BaseException | None = None
        self.stored = stored
        self._keeper = keeper
        # How many of our changes no other node has when this node ends.
        self.left_behind = 0
        # Set by a second signal: wait for no other node and no client any more.
        self.hurried = False
        self._last_probe = -PROBED_S
        self._failed_probes = 0

    def request_stop(self, *, leave: bool = False) -> None:
        """Ask the node to stop: for now or, with `leave`, for good.

        While the node stops for now, a request with `leave` still makes it stop for good.
        """
        self.leaving |= leave
        self.stop_requested.set()

    def fail(self, failure: BaseException) -> None:
        """Ask the node to stop because a part of it has failed: it must not count on without that
        part."""
        self.failure = failure
        self.request_stop()

    def hurry(self) -> None:
        """Skip all waits for other nodes and clients from now on."""
        self.hurried = True

    @property
    def superseded(self) -> bool:
        """Whether the node must stop because a newer process has its name."""
        return self._keeper.superseded.is_set()

    @property
    def stopping(self) -> bool:
        """Whether the node is stopping, so that a balancer should send requests elsewhere."""
        return self.stop_requested.is_set() or self.superseded

    def probe(self) -> None:
        """Note that a balancer has just checked this node."""
        self._last_probe = time.monotonic()
        self._failed_probes += self.stop_requested.is_set()

    async def depart(self) -> None:
        """Do everything that must happen before the process ends. The keeper must still run."""
        if self.stop_requested.is_set():
            _log.info("%s", "leaving for good" if self.leaving else "stopping")
            await self._wait_for_balancer()
        if self.superseded:
            await self._give_way()
        else:
            await self._hand_over()

    async def _wait_for_balancer(self) -> None:
        """Wait until the balancer, if there is one, has noticed that this node is stopping."""
        begun = time.monotonic()
        if begun - self._last_probe < PROBED_S:
            await self._until(lambda: self._failed_probes >= NOTICE_CHECKS, NOTICE_S)

    async def _hand_over(self) -> None:
        """Write the last views and, if this node leaves, close its slot. Then wait until a peer has
        everything that would be lost with this node."""
        keeper, replica = self._keeper, self._keeper.replica
        keeper.refuse(Stopping)
        if self.leaving:
            reached("leave-refusing")
        await self._written()
        if not (self.leaving or self.stored):
            # What is pending is lost with our memory, too, and so are keys.
            replica.retries.leave()
            keeper.ask_to_confirm()
            if await self._until_handed_over():
                await self._hand_keys_over(time.monotonic() + HAND_OVER_S)
            else:
                self.left_behind = replica.unshared()
                _log.error(
                    "%d changes that no other node has are lost: this node keeps them in memory "
                    "only. Give it a --data folder to keep them",
                    self.left_behind,
                )
                await self._stay_to_report()
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
                        "no other node has all of this node's views yet; they are in its data, and "
                        "it sends them when it starts again"
                    )
                return
        replica.leave()
        reached("leave-closed")
        await self._written()
        reached("leave-written")
        keeper.ask_to_confirm()
        end = time.monotonic() + LONG_HAND_OVER_S
        if await self._until_handed_over():
            await self._hand_keys_over(end)
        else:
            self.left_behind = replica.unshared()
            _log.error(
                "leaving with %d changes that no other node has: %s",
                self.left_behind,
                "they are only in this node's data. Start it there once more to hand them over"
                if self.stored
                else "they are lost with its memory",
            )
            await self._stay_to_report()
        reached("leave-handed-over")

    async def _give_way(self) -> None:
        """A newer process has our name: wait until another node has all that we have counted."""
        keeper, replica = self._keeper, self._keeper.replica
        keeper.refuse(Superseded)
        await self._written()
        keeper.ask_to_confirm()
        end = time.monotonic() + LONG_HAND_OVER_S

        def handed_over() -> bool:
            # Until it leaves, it may take over pending views itself.
            return replica.retries.leaving and replica.unshared() == 0

        if await self._until(handed_over, LONG_HAND_OVER_S):
            await self._hand_keys_over(end)
        else:
            _log.error(
                "no other node has all views of this process; some are only in its data: keep it"
            )

    async def _hand_keys_over(self, end: float) -> None:
        """Another node must know which keys have counted here, in case this one's data is thrown
        away. Give up at `end`."""
        keeper, retries = self._keeper, self._keeper.replica.retries
        if len(keeper.replica.observe().members) == 1:
            # The only node of a cluster has nobody to tell.
            return

        async def taken() -> bool:
            # A connection that breaks may be back soon.
            soon = time.monotonic() + HAND_OVER_S

            def over() -> bool:
                hopeless = time.monotonic() > soon and not retries.handover.possible
                return hopeless or not retries.handover

            return await self._until(over, end - time.monotonic()) and not retries.handover

        # Until then it may take over keys itself.
        await self._until(lambda: retries.leaving, HAND_OVER_S)
        await self._written()
        try:
            done = retries.leaving and await keeper.hand_keys_over(taken)
        except DataError as error:
            _log.error("%s", error)
            done = False
        if done:
            await self._until(lambda: retries.handover.is_known, FAREWELL_S)
        else:
            _log.warning(
                "no other node has all keys that were counted here: a view that is sent again may "
                "count twice%s",
                ". Keep this node's data; to hand them over, start it there once more"
                if self.stored and not self.superseded
                else "",
            )

    async def _stay_to_report(self) -> None:
        """Stay up for a moment, so that a program that waits for our end can read `left_behind`."""
        await self._until(lambda: False, REPORT_S)

    async def _written(self) -> None:
        try:
            await self._keeper.written()
        except Refusal as refusal:
            # The views that were answered are on disk all the same.
            _log.error("can't write the last changes from other nodes to disk: %r", refusal)

    async def _until_handed_over(self) -> bool:
        """Wait until another node has all our changes on disk. Return whether one has them.

        The wait is long only while a node is connected that isn't leaving itself.
        """
        replica = self._keeper.replica
        # Even if no node is connected, wait a little: a missing one may start. But the only node of
        # a cluster has nobody to wait for.
        soon = time.monotonic() + (HAND_OVER_S if len(replica.observe().members) > 1 else 0)

        def over() -> bool:
            # Nodes that leave at the same time must not wait long for each other.
            stays = bool(replica.holdings.staying())
            hopeless = time.monotonic() > soon and not stays
            return hopeless or replica.unshared() == 0

        await self._until(over, LONG_HAND_OVER_S)
        return replica.unshared() == 0

    async def _until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Wait for `condition`, but no longer than `limit_s`. Return whether it holds."""
        end = time.monotonic() + limit_s
        # Poll: a node stops only once, so the core needs no event for this.
        while not condition():
            if self.hurried or time.monotonic() > end:
                return False
            await asyncio.sleep(_POLL_S)
        return True
