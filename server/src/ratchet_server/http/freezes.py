"""A node that was frozen: what its clients gave up meanwhile must not count now.

A machine stops for seconds: it is suspended, moved, or short of memory. Its clients wait, give up,
and send their views to another node. The requests still lie in the sockets of this one. It would
count them when it wakes, so for a while it looks whether the client is still there.
"""

import asyncio
import contextlib
import os
import socket
import time
from typing import Final

from sanic import Request

LOOK_S: Final = 0.25
# After such a gap between two looks, clients may have given up. (Our own page waits for 10 s.)
FROZEN_S: Final = 2.0
# For how long after it the sockets may hold requests from before.
WAKING_S: Final = 10.0


class Freezes:
    """Notices that this process was frozen. `run` is its task."""

    def __init__(self) -> None:
        self._looked = time.monotonic()
        # Until then, the sockets may hold requests that came while it was frozen.
        self._waking_until = 0.0

    async def run(self) -> None:
        """Look at the clock again and again, until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def outlived(self, request: Request) -> bool:
        """Whether this process was frozen a moment ago, and the client has gone since it sent
        `request`."""
        # After a freeze, a request may come before the timer of `run`.
        return self._look() < self._waking_until and _is_gone(request)

    def _look(self) -> float:
        now = time.monotonic()
        if now - self._looked > FROZEN_S:
            self._waking_until = now + WAKING_S
        self._looked = now
        return now


def _is_gone(request: Request) -> bool:
    transport = request.transport
    if transport is None or transport.is_closing():
        return True
    # uvloop lends no socket to read from, so look through a copy of its descriptor. `MSG_PEEK`
    # leaves everything where it is.
    copy = os.dup(transport.get_extra_info("socket").fileno())
    with socket.socket(fileno=copy) as peeking, contextlib.suppress(BlockingIOError):
        try:
            return peeking.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except ConnectionError:
            return True
    return False
