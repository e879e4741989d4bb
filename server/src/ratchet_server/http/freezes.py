"""Keeps a node that was frozen from counting views that their clients have given up.

A machine may stop for seconds: it is suspended, moved, or short of memory. Its clients wait, give
up, and send their views to another node. But the first requests still lie in this node's sockets,
and it would count them when it wakes. So for a while after a freeze, the node checks that a
request's client is still there.
"""

import asyncio
import contextlib
import os
import socket
import time
from typing import Final

from sanic import Request

LOOK_S: Final = 0.25
# A gap of this length between two looks counts as a freeze: clients may have given up. (Our own
# page waits for 10 s.)
FROZEN_S: Final = 2.0
# How long after a freeze the sockets may still hold requests that came during it.
WAKING_S: Final = 10.0
# Linux stops its monotonic clock while the machine is suspended, and this one goes on.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Freezes:
    """Notices that this process was frozen. `run` is its task."""

    def __init__(self) -> None:
        self._looked = time.clock_gettime(_CLOCK)
        # Until this time, the sockets may hold requests that came during a freeze.
        self._waking_until = 0.0

    async def run(self) -> None:
        """Look at the clock again and again, until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def outlived(self, request: Request) -> bool:
        """Whether this process was frozen a moment ago, and the client that sent `request` has
        closed its connection."""
        # After a freeze, the loop may handle a request before the timer of `run`. So look here,
        # too.
        return self._look() < self._waking_until and _is_gone(request)

    def _look(self) -> float:
        now = time.clock_gettime(_CLOCK)
        if now - self._looked > FROZEN_S:
            self._waking_until = now + WAKING_S
        self._looked = now
        return now


def _is_gone(request: Request) -> bool:
    transport = request.transport
    if transport is None or transport.is_closing():
        return True
    # uvloop's socket object can't be read from, so read through a copy of its descriptor.
    # `MSG_PEEK` leaves the bytes in the kernel's buffer.
    copy = os.dup(transport.get_extra_info("socket").fileno())
    with socket.socket(fileno=copy) as peeking, contextlib.suppress(BlockingIOError):
        try:
            return peeking.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except ConnectionError:
            return True
    return False
