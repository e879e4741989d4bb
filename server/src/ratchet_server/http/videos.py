"""The videos that this node counts and lists: those of the catalogues and of the operator's list.
On an open node, any."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from heapq import merge
from itertools import groupby
from urllib.parse import unquote

from ratchet import names

from ratchet_server.http.catalogue import Video
from ratchet_server.http.errors import ApiError
from ratchet_server.http.listed import Listed, Text
from ratchet_server.http.listing import Listing


class Videos:
    """`own`: the videos in this node's catalogue now, by id. `elsewhere`: those of other nodes.
    `listed`: the operator's list. `most`: how many videos an open node counts."""

    def __init__(
        self,
        own: Callable[[], Mapping[str, Video]],
        elsewhere: Callable[[], Mapping[str, Video]],
        listed: Listed,
        *,
        open_to_any: bool,
        most: int,
    ) -> None:
        self._own = own
        self._elsewhere = elsewhere
        self._listed = listed
        # The catalogues that `clips` was made of, and the result.
        self._joined: tuple[Mapping[str, Video], Mapping[str, Video]] = ({}, {})
        self._clips: Mapping[str, Video] = {}
        self._most = most
        self._open = open_to_any
        # The videos with views. An open node lists them, too.
        self._viewed = Listing()

    @property
    def clips(self) -> Mapping[str, Video]:
        """The videos with clips, here or on other nodes, in the order of their ids."""
        own, elsewhere = self._own(), self._elsewhere()
        if self._joined[0] is not own or self._joined[1] is not elsewhere:
            # Where both have a video, this node's titles count.
            self._clips = dict(sorted({**elsewhere, **own}.items()))
            self._joined = own, elsewhere
        return self._clips

    @property
    def most(self) -> int | None:
        """How many videos this node counts at the most; None: as many as are named."""
        return self._most if self._open else None

    def __len__(self) -> int:
        """How many videos this node counts; on an open node, those that have views."""
        if self._open:
            return len(self._viewed)
        return len(self._listed) + sum(clip not in self._listed for clip in self.clips)

    def known(self, video: str) -> str:
        """The id that a path names, if this node counts it. Raises `ApiError` if not."""
        if "%" in video:
            # An id needs no escapes, and may have them all the same (RFC 3986, 2.3).
            video = unquote(video)
        try:
            names.video(video)
        except names.Invalid as error:
            raise ApiError(400, "bad_video", f"{error}.") from None
        if not self._open and not self._is_named(video):
            message = (
                "No catalogue has such a video, and no list that --videos names. (With --open, a "
                "node counts any video id.)"
            )
            raise ApiError(404, "unknown_video", message)
        return video

    def countable(self, video: str, also: Collection[str] = ()) -> str:
        """The id that a path names, if this node counts views of it. Raises `ApiError` if not.
        `also`: new videos that are counted with it.

        An open node accepts any id, and each id costs memory and disk on every node, for ever. So
        there must be a limit for a client that invents ids.
        """
        video = self.known(video)
        if len(self._viewed) + len(also) >= self._most and self.is_new(video) and video not in also:
            raise ApiError(
                507,
                "too_many_videos",
                f"This node counts {self._most} videos already, so it did not count this view of a "
                "new one. The node's operator can raise RATCHET_MAX_VIDEOS.",
            )
        return video

    def is_new(self, video: str) -> bool:
        """Whether an open node would list `video` because of its first view."""
        return self._open and video not in self._viewed and not self._is_named(video)

    def counted(self, videos: Iterable[str]) -> None:
        """Note that these videos have views now, so that an open node lists them."""
        if self._open:
            self._viewed.add(videos)

    @property
    def named(self) -> tuple[Collection[str], ...]:
        """The videos that this node knows; empty on an open node, which knows any."""
        return () if self._open else (self.clips, self._listed.ids)

    def above(self, after: str) -> Iterator[str]:
        """The ids of all videos above `after`, in order."""
        clips = (video for video in self.clips if video > after)
        viewed = self._viewed.above(after) if self._open else ()
        return (video for video, _ in groupby(merge(clips, self._listed.above(after), viewed)))

    def text(self, video: str) -> Text | None:
        """Its title and description, if it has them."""
        if clip := self.clips.get(video):
            return Text(clip.title, clip.description)
        return self._listed.text(video)

    def _is_named(self, video: str) -> bool:
        return video in self.clips or video in self._listed
