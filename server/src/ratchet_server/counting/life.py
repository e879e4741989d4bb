"""What a node is doing, in a word, for balancers, readers and operators."""

from typing import Literal

from ratchet_server.counting.departure import Departure
from ratchet_server.counting.readiness import Readiness

State = Literal["starting", "serving", "draining", "leaving", "superseded"]


class Life:
    """The start and the end of a node, as others see them."""

    def __init__(self, readiness: Readiness, departure: Departure) -> None:
        self._readiness = readiness
        self._departure = departure

    @property
    def reads(self) -> bool:
        """Whether the node serves reads. A node that stops serves them until its end."""
        return self._readiness.ready

    @property
    def goes(self) -> bool:
        """Whether the node stops: a balancer should send nothing here any more."""
        return self._departure.goes

    @property
    def state(self) -> State:
        """What the node is doing."""
        if self._departure.superseded:
            return "superseded"
        if self._departure.asked.is_set():
            return "leaving" if self._departure.leaving else "draining"
        return "serving" if self.reads else "starting"
