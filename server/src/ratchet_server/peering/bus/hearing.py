"""Hearing: which processes are on a bus, by what this node hears of them.

Nobody is connected on a bus. A process is there while its messages come, and come in time. When a
node hears of an unknown process, it sends it a *hail*, and the process answers with its hello:

      STRANGE ---- its welcome answers our hail in time ----> PRESENT
         ^                                                       |
         +------ its messages come late -------+                 | silent for four beats,
                                               |                 | or goodbye
                     in-time message           v                 v
      PRESENT <------------------------------ KNOWN <------------+

So who replays what a dead process once published brings nobody back: the answer to a hail can't be
older than the hail. Of a process that has answered once, `freshness` tells when a message was
delayed.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ratchet.frames import Hello

from ratchet_server.peering.bus.envelope import Envelope, Kind
from ratchet_server.peering.bus.freshness import Freshness

# For how many of our own beats a process may be silent. This is not a time: when a node has slept,
# the others were not silent.
SILENT_BEATS: Final = 4
# How often one process is hailed.
HAIL_S: Final = 1.0
# How many processes are remembered. Those that are present always are.
MOST: Final = 4096
_SECOND: Final = 1e6


@dataclass(eq=False, slots=True)
class Heard:
    """A process that has published something."""

    process: str
    # Its last answer to a hail.
    hello: Hello | None = None
    present: bool = False
    freshness: Freshness = field(default_factory=Freshness)
    # When its last message came that was in time, and how many beats of ours that is ago.
    at: float = 0.0
    silent: int = 0
    # It is not hailed before this moment, and whether it has not answered the last hail.
    rests_until: float = float("-inf")
    owes: bool = False
    # The highest stamps of what it has sent to all, and to us.
    to_all: int = -1
    to_us: int = -1

    def is_new(self, envelope: Envelope) -> bool:
        """Whether the message is none that we have had. A bus may double and reorder messages, but
        here each is newer than those before it."""
        last = self.to_all if envelope.to is None else self.to_us
        return envelope.stamp > last or (envelope.stamp == last and envelope.parts > 1)

    def note(self, envelope: Envelope) -> None:
        """The message is the newest one."""
        if envelope.to is None:
            self.to_all = envelope.stamp
        else:
            self.to_us = envelope.stamp


class Hearing:
    """All processes that this node hears."""

    def __init__(
        self,
        *,
        hail: Callable[[str], None],
        now_stamp: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hail` sends a hail to a process. `now_stamp`: microseconds of our own stamps."""
        self._hail = hail
        self._now_stamp = now_stamp
        self._clock = clock
        self._heard: dict[str, Heard] = {}
        self._present: dict[str, Heard] = {}

    def present(self) -> Mapping[str, Heard]:
        """The processes that are there."""
        return self._present

    def unanswered(self) -> bool:
        """Whether a process was hailed just now and has not answered."""
        now = self._clock()
        return any(heard.owes and now < heard.rests_until for heard in self._heard.values())

    def hear(self, envelope: Envelope) -> Heard | None:
        """A message of another process has come. Returns the process, or None if the message is to
        be dropped, because this node has had it, or a newer one."""
        heard = self._heard.get(envelope.sender) or self._make(envelope.sender)
        if not heard.is_new(envelope):
            return None
        heard.note(envelope)
        return heard

    def is_in_time(self, heard: Heard, envelope: Envelope) -> bool:
        """Whether this new message of the process was surely not delayed. If it may have been, the
        process is hailed."""
        now, sent = self._clock(), envelope.stamp / _SECOND
        if envelope.kind is Kind.WELCOME and envelope.echo is not None:
            took = (self._now_stamp() - envelope.echo) / _SECOND
            in_time = heard.freshness.answered(sent, now, took)
        else:
            in_time = heard.freshness.is_fresh(sent, now)
        if not in_time:
            self.ask(heard)
            return False
        heard.at, heard.silent = now, 0
        if envelope.kind is Kind.WELCOME:
            heard.owes = False
        return True

    def ask(self, heard: Heard) -> None:
        """Hail the process, unless that was done just now, or it rests."""
        now = self._clock()
        if now >= heard.rests_until:
            heard.rests_until, heard.owes = now + HAIL_S, True
            self._hail(heard.process)

    def rest(self, heard: Heard, seconds: float) -> None:
        """Hail the process no more for so long."""
        heard.rests_until = self._clock() + seconds

    def enter(self, heard: Heard) -> None:
        """The process is there from now on."""
        heard.present, heard.silent = True, 0
        self._present[heard.process] = heard

    def leave(self, heard: Heard) -> None:
        """It is not there any more."""
        heard.present = False
        del self._present[heard.process]

    def beat(self) -> list[Heard]:
        """A beat of ours has passed. Returns the present processes that are silent: they leave."""
        for heard in self._present.values():
            heard.silent += 1
        return [heard for heard in self._present.values() if heard.silent > SILENT_BEATS]

    def _make(self, process: str) -> Heard:
        if len(self._heard) >= MOST:
            for other in [one for one in self._heard.values() if not one.present][: MOST // 4]:
                del self._heard[other.process]
        heard = self._heard[process] = Heard(process)
        return heard
