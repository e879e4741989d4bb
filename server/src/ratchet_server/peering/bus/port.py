"""The port of a bus: carries bytes to all processes that listen, or to one of them.

Read these traps before you write an adapter:

- Don't let the library reconnect. When it loses the broker, raise `BusError`: the transport throws
  the line away and connects anew. Libraries that recover by themselves deliver what was buffered
  minutes ago, or hang, or log a thousand lines.
- Silence is no error here. A broker that is frozen, or has forgotten our subscription, says
  nothing. The transport hears its own messages come back, and ends a line on which they don't.
- Nothing may be kept: no durable queue, no consumer group, no history. Who listens hears what is
  published from now on.
- A library's messages may have the password in them. `BusError` goes into the log, so look at what
  it says.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

# The largest message that this program publishes, also where a bus takes more.
LARGEST: Final = 512 * 1024

Hear = Callable[[bytes], None]


class BusError(Exception):
    """The bus can't be reached, or a line is broken. The message says why, without a password."""


class Line(Protocol):
    """A connection to a bus that listens."""

    @property
    def largest(self) -> int:
        """How many bytes one message may have."""

    async def publish(self, to: str | None, message: bytes) -> None:
        """Publish to all processes that listen, this one included; or to the process `to` alone.

        A bus that can't address one process may publish to all. Returns when the library has taken
        the message. Raises `BusError` if the line is broken.
        """

    async def broken(self) -> BusError:
        """Wait until the line is broken, and return why."""


class Bus(Protocol):
    """How to reach one bus."""

    def connect(self, process: str, hear: Hear) -> AbstractAsyncContextManager[Line]:
        """Connect, and listen for what is published to all and to `process`: call `hear` for each
        message. It returns at once and never raises.

        Raises `BusError` when it is entered. The caller bounds the time of each call. At the end it
        closes its sockets and ends its tasks, also when it is cancelled, and within a second even
        if the bus is frozen.
        """
