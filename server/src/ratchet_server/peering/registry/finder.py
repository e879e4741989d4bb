"""A discovery: the addresses in a registry (`--registry`). One loop for every kind of registry.

Announce our own address, look, wait until something may have changed, and again. A look that fails
changes nothing. So does a look that finds nobody: `Addresses` drops no address only because a
discovery doesn't see it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from ratchet.frames import Hello

from ratchet_server.log_throttle import LogThrottle
from ratchet_server.peering.addresses import MOST, SHARED_S
from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.entries import BadEntry, check
from ratchet_server.peering.registry.port import (
    CALL_S,
    LEASE_S,
    Registry,
    RegistryError,
)

# How long to wait after a failure, at first and at most. The time doubles at each failure.
BACKOFF_S: Final = (0.1, 3.0)
# How long to wait after a change. Nodes often start together, and one look shows them all.
CROWD_S: Final = 0.2
WITHDRAW_S: Final = 2.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a registry does not do what is asked, and since when, in seconds since 1970."""

    why: str
    since: float


class Finder:
    """Finds addresses in one registry. See `ports.Discovery`."""

    def __init__(
        self,
        registry: Registry,
        name: str,
        *,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name`: the registry's URL, for people."""
        self.name = name
        # None while all is well.
        self.trouble: Trouble | None = None
        self._registry = registry
        self._lease_s = lease_s
        self._clock = clock
        self._throttle = LogThrottle(clock=clock)
        self._me: Hello | None = None
        self._has_looked = False
        # Each address of the last good look, and when it came.
        self._seen: dict[Address, float] = {}

    @property
    def announces(self) -> bool:
        """Whether it registers this node's address."""
        return self._registry.announces

    @property
    def others(self) -> int:
        """How many addresses of others the last good look saw."""
        return sum(one.process != (self._me and self._me.process) for one in self._seen)

    # -- a discovery ---------------------------------------------------------------------------

    async def run(self, me: Hello) -> None:
        self._me = me
        own = Address(me.url.rstrip("/"), me.node, me.process)
        pause_s = BACKOFF_S[0]
        try:
            while True:
                try:
                    await self._turn(own)
                    pause_s = BACKOFF_S[0]
                except RegistryError as error:
                    self._complain(str(error))
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
                    pause_s = min(2 * pause_s, BACKOFF_S[1])
        finally:
            # If this fails, the lease ends by itself.
            with suppress(RegistryError, TimeoutError):
                async with asyncio.timeout(WITHDRAW_S):
                    await self._registry.withdraw()
            await self._registry.close()

    def seen(self) -> Sequence[Address]:
        return [*self._seen]

    def expected(self) -> Collection[str]:
        """All addresses but our own. An address that no node has announced is expected for ten
        minutes: the machine behind a name in the DNS may be gone for good."""
        since = self._clock() - SHARED_S
        return [
            one.url
            for one, came in self._seen.items()
            if one.process != (self._me and self._me.process)
            and (self._registry.announces or came > since)
        ]

    def has_looked(self) -> bool:
        return self._has_looked

    def is_late(self) -> bool:
        """Nodes that announce themselves before they look find each other at once."""
        return not self._registry.announces

    # -- the loop ------------------------------------------------------------------------------

    async def _turn(self, own: Address) -> None:
        refused = None
        if self._registry.announces:
            try:
                await _in_time(self._registry.announce(own))
            except RegistryError as error:
                # Perhaps we may read there, and not write.
                refused = error
        self._note(await _in_time(self._registry.look()), own)
        if refused:
            raise refused
        if self.trouble:
            _log.info("%s answers again", self.name)
        self.trouble = None
        at_most_s = self._lease_s / 3
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._registry.wait(at_most_s)
                await asyncio.sleep(CROWD_S)

    def _note(self, found: Collection[Address], own: Address) -> None:
        good = set()
        for entry in found:
            try:
                good.add(check(entry))
            except BadEntry as error:
                self._warn(f"has an entry that this node leaves out: {error}")
        # Without our own address, the registry has not had the time to hear from the others.
        self._has_looked |= own in good if self._registry.announces else bool(good)
        if len(good) > MOST:
            self._warn(f"has {len(good)} addresses; this node uses {MOST} of them")
        # In a lasting order, so that all nodes use the same ones of too many.
        kept = sorted(good, key=lambda one: (one.url, one.process or ""))[:MOST]
        now = self._clock()
        self._seen = {one: self._seen.get(one, now) for one in kept}

    def _complain(self, why: str) -> None:
        self.trouble = Trouble(why, self.trouble.since if self.trouble else time.time())
        self._warn(f"{why}. This node goes on without it, and tries again")

    def _warn(self, what: str) -> None:
        if self._throttle.due(what):
            _log.warning("%s %s", self.name, what)


async def _in_time(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(CALL_S):
            return await call
    except TimeoutError:
        raise RegistryError(f"has not answered for {CALL_S:.0f} s") from None
