"""The other sites that may show counts of this one, and what browsers are told about them."""

from collections.abc import Sequence
from typing import Final

from ratchet_server.settings import ANY

_NOTHING: Final[dict[str, str]] = {}


class Embedders:
    """The sites of RATCHET_EMBED_ORIGINS."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)
        # As a policy writes them; empty where nobody may.
        self.sources = " ".join(origins)

    def shared_with(self, origin: str | None) -> dict[str, str]:
        """The headers by which a page of `origin` may read an answer, if it is one of these.

        For reads only. A view is counted by the site that shows the clip: its page knows whether
        it was played. Nothing here is ever sent with a reader's cookies, as there are none.
        """
        if not self._origins:
            return _NOTHING
        if ANY in self._origins:
            return {"Access-Control-Allow-Origin": ANY}
        # A cache must not give one site's answer to another one, also where none was named.
        if origin not in self._origins:
            return {"Vary": "Origin"}
        return {"Vary": "Origin", "Access-Control-Allow-Origin": origin}
