"""One node with odd clips for audits: huge numbers, endless titles, a missing poster."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ratchet.changes import Changes
from ratchet_server.demo import machine

from testing.disk import fill
from testing.nodes import Node, wait_until
from testing.wire import dial, hello, rows

MEDIA: Final = machine.CLIPS
LARGEST: Final = 2**53 - 1
# A node believes no peer that claims more than a view in each microsecond since 1970.
LARGEST_SLOT: Final = 10**15


class Clip(NamedTuple):
    """What the page shows of a clip. `like`: the real clip that this one is a copy of."""

    like: str
    views: int
    title: str
    text: str = ""
    poster: bool = True


LONG: Final = (
    "A clip with a title that goes on and on, as titles do, until nobody remembers what it was "
    "about, and Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"
)
CLIPS: Final = {
    "long": Clip("loom", 999_999, LONG, "Nor is its description short. " * 12),
    "loom": Clip("loom", 12_345, "Loom", "Two sets of threads pass over and under each other."),
    "none": Clip("orbit", 0, "Without a poster or a word", poster=False),
    "orbit": Clip("orbit", 1, "Orbit", "Nine small moons keep their own time."),
    "tide": Clip("tide", 1_234_567, "Tide", "Five rows of waves roll under a low moon."),
    "whole": Clip("tide", LARGEST, "Everything", "As many views as a count can hold."),
}


class Site:
    """The node, and a peer of it that sends whatever counts a test wants to see."""

    def __init__(self, node: Node, rising: Iterator[str]) -> None:
        self.node = node
        self.url = node.url
        self._rising = rising
        self._starts = 0

    def new_clip(self) -> str:
        """A clip that nobody has viewed."""
        return next(self._rising)

    def add(self, video: str, views: int) -> None:
        """Have the peer send `views` more views at once, and wait until the node counts them."""
        counted = self.node.views(video) + views
        with dial(self.node, "/peer") as peer:
            peer.send(hello("x"))
            while views:
                self._starts += 1
                more = min(views, LARGEST_SLOT)
                peer.send(rows(f"x@{self._starts}", 0, 1, [video, more, 1]))
                views -= more
            wait_until(lambda: self.node.views(video) == counted, "the node counts them")


@contextmanager
def site(folder: Path, *, panel: bool = False, rising: int = 0) -> Iterator[Site]:
    """A node that serves these clips, and `rising` more for tests that count."""
    media = folder / "media"
    media.mkdir()
    new = [f"rising-{number:02}" for number in range(rising)]
    clips = CLIPS | {video: Clip("tide", 0, video.title()) for video in new}
    for video, clip in clips.items():
        shutil.copyfile(MEDIA / f"{clip.like}.webm", media / f"{video}.webm")
        if clip.poster:
            shutil.copyfile(MEDIA / f"{clip.like}.webp", media / f"{video}.webp")
    (media / "catalogue.toml").write_text(
        "".join(
            f'[{video}]\ntitle = "{clip.title}"\ndescription = "{clip.text}"\n'
            for video, clip in clips.items()
        )
    )
    # A node that is long gone has counted these views, and its slot is folded.
    past = {"w": 1}
    base = tuple((video, clip.views) for video, clip in clips.items() if clip.views)
    changes = Changes(base=base, newest=past, closed=past, folded=past)
    with ThreadPoolExecutor() as beside:  # this thread has Playwright's event loop
        beside.submit(fill, folder / "a", changes).result()
    flags, environ = ("--media", str(media)), {"RATCHET_PANEL": "yes" if panel else "no"}
    with Node("a", folder, flags=flags, environ=environ) as node:
        yield Site(node.start(), iter(new))
