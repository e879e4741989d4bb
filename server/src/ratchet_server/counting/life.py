"""What state a node is in, for balancers, readers and operators."""

from typing import Literal

from ratchet_server.counting.departure import Departure
from ratchet_server.counting.readiness import Readiness

State = Literal["starting", "serving", "draining", "leaving", "superseded"]


class Life:
    """The state of a node as others see it, from its start to its end."""

    def __init__(self, readiness: Readiness, departure: Departure) -> None:
        self._readiness = readiness
        self._departure = departure

    @property
    def serves_reads(self) -> bool:
        """Whether the node serves reads. A stopping node serves them until it ends."""
        return self._readiness.ready

    @property
    def stopping(self) -> bool:
        """Whether the node is stopping, so that a balancer should send requests elsewhere."""
        return self._departure.stopping

    @property
    def state(self) -> State:
        """The state of the node."""
        if self._departure.superseded:
            return "superseded"
        if self._departure.stop_requested.is_set():
            return "leaving" if self._departure.leaving else "draining"
        return "serving" if self.serves_reads else "starting"
