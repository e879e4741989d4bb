"""The parts of a running node that its HTTP calls use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ratchet import names
from sanic import Request
from sanic.http import Http

from ratchet_server.counting.departure import Departure, State
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.readiness import Readiness
from ratchet_server.http.catalogue import Video
from ratchet_server.http.embedders import Embedders
from ratchet_server.http.errors import ApiError
from ratchet_server.http.guard import Guard
from ratchet_server.http.listing import Listing
from ratchet_server.http.watchers import Watchers
from ratchet_server.peering.mesh import Mesh
from ratchet_server.settings import Settings


@dataclass
class Parts:
    """One node, taken apart."""

    settings: Settings
    catalogue: Mapping[str, Video]
    keeper: Keeper
    mesh: Mesh
    watchers: Watchers
    guard: Guard
    readiness: Readiness
    departure: Departure
    embedders: Embedders
    # What an --open node lists: the catalogue, and every video that has been counted.
    listed: Listing = field(default_factory=Listing)

    def video(self, video: str) -> str:
        """`video` if this node counts it. Raises `ApiError`."""
        try:
            names.video(video)
        except names.Invalid as error:
            raise ApiError(400, "bad_video", f"{error}.") from None
        if not self.settings.open and video not in self.catalogue:
            message = "No such video in the catalogue. (A node started with --open counts any.)"
            raise ApiError(404, "unknown_video", message)
        return video

    def videos(self, after: str) -> Iterator[str]:
        """The ids of all videos above `after`, in order."""
        if self.settings.open:
            return self.listed.above(after)
        return (video for video in self.catalogue if video > after)

    def last_answer(self, request: Request) -> None:
        """Of a node that goes, an answer is the last on its connection, and says so: else the next
        request would be on its way when the connection is closed."""
        goes = not self.departure.stays or self.keeper.superseded.is_set()
        if goes and isinstance(request.stream, Http):
            request.stream.keep_alive = False

    def must_be_ready(self) -> None:
        """Reads are served. Raises `ApiError`."""
        if not self.readiness.ready:
            message = "This node has just started and is catching up with its peers."
            raise ApiError(503, "not_ready", message, retry_after_s=1)

    @property
    def state(self) -> State:
        """What this node is doing, in a word."""
        if self.keeper.superseded.is_set():
            return "superseded"
        if self.departure.asked.is_set():
            return "leaving" if self.departure.leaving else "draining"
        return "serving" if self.readiness.ready else "starting"
