"""Freshness: how late a message is, without trusting anybody's clock.

Queues of brokers, and attackers, may deliver old messages. Each message has a *stamp*: microseconds
since its sender began, by a clock that nobody sets. Its receiver can't compare that with its own
clock, but it can compare two messages of one sender: if the second took longer to come, by its
stamp, it was delayed on the way. What is missing is one message that surely was not: the answer to
a question. It was sent after the question; so its delay is at most the time since then.

(NTP, RFC 5905, finds the offset between two clocks in the same way.)
"""

from typing import Final

# A message is dropped if it was on its way for longer than the answer, by more than this. The
# answer may have taken as long, too: so a node hears nothing that is older than twice this.
LATE_S: Final = 5.0
# Two clocks drift apart by less than a hundred microseconds in a second.
_DRIFT: Final = 1e-4


class Freshness:
    """What one receiver knows of the delays of one sender's messages. All times are seconds."""

    def __init__(self) -> None:
        # Our clock less the sender's, plus a delay: the smallest sum that we have seen. None until
        # a question was answered.
        self._offset: float | None = None
        self._at = 0.0

    def answered(self, sent: float, now: float, took: float) -> bool:
        """The message with the stamp `sent` answers a question that we asked `took` seconds ago.
        Whether it came in time."""
        if not 0 <= took <= LATE_S:
            return False
        self._offset, self._at = now - sent, now
        return True

    def is_fresh(self, sent: float, now: float) -> bool:
        """Whether the message with the stamp `sent`, which has just come, was not delayed."""
        if self._offset is None:
            return False
        offset = self._offset + (now - self._at) * _DRIFT
        if now - sent - offset > LATE_S:
            return False
        self._offset, self._at = min(offset, now - sent), now
        return True
