"""The videos that this node counts and lists: those of the catalogue or, on an open node, any."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from ratchet import names

from ratchet_server.http.catalogue import Video
from ratchet_server.http.errors import ApiError
from ratchet_server.http.listing import Listing


class Videos:
    """`clips`: the videos of the catalogue by id, in the order of their ids.
    `most`: how many videos an open node counts."""

    def __init__(self, clips: Mapping[str, Video], *, open_to_any: bool, most: int) -> None:
        self.clips = clips
        self._most = most
        self._open = open_to_any
        # What an open node lists: its catalogue, and every video with views.
        self._listed = Listing()
        self._listed.add(clips)

    def known(self, video: str) -> str:
        """The id that a path names, if this node counts it. Raises `ApiError` if not."""
        if "%" in video:
            # An id needs no escapes, and may have them all the same (RFC 3986, 2.3).
            video = unquote(video)
        try:
            names.video(video)
        except names.Invalid as error:
            raise ApiError(400, "bad_video", f"{error}.") from None
        if not self._open and video not in self.clips:
            message = "The catalogue has no such video. (With --open, a node counts any video id.)"
            raise ApiError(404, "unknown_video", message)
        return video

    def countable(self, video: str) -> str:
        """The id that a path names, if this node counts views of it. Raises `ApiError` if not.

        An open node accepts any id, and each id costs memory and disk on every node, for ever. So
        there must be a limit for a client that invents ids.
        """
        video = self.known(video)
        if self._open and len(self._listed) >= self._most and video not in self._listed:
            raise ApiError(
                507,
                "too_many_videos",
                f"This node counts {self._most} videos already, so it did not count this view of a "
                "new one. The node's operator can raise RATCHET_MAX_VIDEOS.",
            )
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
