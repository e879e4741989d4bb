"""Why the keeper refuses: each type is a promise to the caller about what was not done.

Which status, code and words a client gets for each is the business of `http`.
"""


class Refusal(Exception):
    """The keeper did not do all that it was asked for."""


class NotCounted(Refusal):
    """Surely nothing was done: the view may be sent again, here or at another node."""


class Stopping(NotCounted):
    """The node stops, and takes no more views."""


class Superseded(NotCounted):
    """A newer process has this node's name, and takes its views."""


class Stopped(NotCounted):
    """The task that counts has ended."""


class Overloaded(NotCounted):
    """Too many views wait for their commit."""


class DiskFull(NotCounted):
    """The disk has no room for the transaction."""


class NoPeer(NotCounted):
    """The view asks for a peer's disk, and no peer is connected."""


class KeyReused(NotCounted):
    """The key came before, with a view of another video."""

    def __init__(self, key: str, video: str) -> None:
        super().__init__(key, video)
        self.key = key
        # The video that the key came with first.
        self.video = video


class NotShared(Refusal):
    """The view is counted on our disk. No peer has said in time that its disk has it, too."""
