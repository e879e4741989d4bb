"""The videos that this node counts and lists: those of the catalogue or, on an open node, any."""

from collections.abc import Iterable, Iterator, Mapping

from ratchet import names

from ratchet_server.http.catalogue import Video
from ratchet_server.http.errors import ApiError
from ratchet_server.http.listing import Listing


class Videos:
    """`clips`: the videos of the catalogue by id, in the order of their ids."""

    def __init__(self, clips: Mapping[str, Video], *, open_to_any: bool) -> None:
        self.clips = clips
        self._open = open_to_any
        # What an open node lists: its catalogue, and every video with views.
        self._listed = Listing()
        self._listed.add(clips)

    def known(self, video: str) -> str:
        """`video`, if this node counts it. Raises `ApiError` if not."""
        try:
            names.video(video)
        except names.Invalid as error:
            raise ApiError(400, "bad_video", f"{error}.") from None
        if not self._open and video not in self.clips:
            message = "The catalogue has no such video. (With --open, a node counts any video id.)"
            raise ApiError(404, "unknown_video", message)
        return video

    def counted(self, videos: Iterable[str]) -> None:
        """Note that these videos have views now, so that an open node lists them."""
        if self._open:
            self._listed.add(videos)

    def above(self, after: str) -> Iterator[str]:
        """The ids of all videos above `after`, in order."""
        if self._open:
            return self._listed.above(after)
        return (video for video in self.clips if video > after)
