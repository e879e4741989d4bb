"""The videos that this node counts and lists: those of its clips or, on an open node, any."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from ratchet import names

from ratchet_server.http.catalogue import Video
from ratchet_server.http.errors import ApiError
from ratchet_server.http.listing import Listing


class Videos:
    """`clips`: the videos with a clip by id, in the order of their ids."""

    def __init__(self, clips: Mapping[str, Video], *, open_to_any: bool) -> None:
        self.clips = clips
        self._open = open_to_any
        # An open node lists its clips, and every video with views.
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
            message = "No such video in the catalogue. (A node started with --open counts any.)"
            raise ApiError(404, "unknown_video", message)
        return video

    def counted(self, videos: Iterable[str]) -> None:
        """These videos have views now."""
        if self._open:
            self._listed.add(videos)

    def above(self, after: str) -> Iterator[str]:
        """The ids of all videos above `after`, in order."""
        if self._open:
            return self._listed.above(after)
        return (video for video in self.clips if video > after)
