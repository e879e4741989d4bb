"""Why the keeper refuses: each type promises the caller what the keeper has not done.

`http.refusals` has the status, the code and the message that a client gets for each.
"""


class Refusal(Exception):
    """The keeper has not done everything that its caller asked for."""


class NotCounted(Refusal):
    """The keeper has surely not counted the view: it may be sent again, here or to another node."""


class Stopping(NotCounted):
    """The node is stopping, and accepts no more views."""


class Superseded(NotCounted):
    """A newer process has this node's name, and counts the views instead."""


class Stopped(NotCounted):
    """The task that counts has ended."""


class Overloaded(NotCounted):
    """Too many views wait for their commit."""


class DiskFull(NotCounted):
    """The disk has no room for the transaction."""


class Locked(NotCounted):
    """Another program has locked the database."""


class DataLost(NotCounted):
    """The files with the data were deleted, moved or damaged while the node runs."""


class ClockInDoubt(NotCounted):
    """The clocks of this machine and of a peer are so far apart that one of them is wrong."""


class CountFull(NotCounted):
    """The video has as many views as a number can hold: somebody has raised it by mistake."""


class TooManyViews(NotCounted):
    """A batch has more views of a video than other nodes would believe."""


class NoPeer(NotCounted):
    """The request has `ack=peers`, and no peer is connected."""


class KeyReused(NotCounted):
    """An earlier view had the same key, but another video."""

    def __init__(self, key: str, video: str) -> None:
        super().__init__(key, video)
        self.key = key
        # The video of the earlier view.
        self.video = video


class BadEntry(NotCounted):
    """An entry of a batch can't count, so nothing of the batch has counted."""

    def __init__(self, index: int, why: Refusal) -> None:
        super().__init__(index, why)
        # The place of the entry in its batch, from 0.
        self.index = index
        self.why = why


class NotShared(Refusal):
    """The view is on our disk, but no peer has confirmed in time that it has it on disk, too."""
