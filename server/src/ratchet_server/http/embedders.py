"""The other sites that may show this site's counts, and the headers that let them."""

from collections.abc import Sequence
from typing import Final

from ratchet_server.settings import ANY

_NOTHING: Final[dict[str, str]] = {}


class Embedders:
    """The sites of RATCHET_EMBED_ORIGINS."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)
        # The origins as a Content-Security-Policy lists them; empty if no other site may.
        self.sources = " ".join(origins)

    def shared_with(self, origin: str | None) -> dict[str, str]:
        """The headers that let a page of `origin` read a response, if it is one of these sites.

        Use them for reads only. The site that shows the clip counts the view: its page knows
        whether somebody has played the clip. No header allows cookies, because there are none.
        """
        if not self._origins:
            return _NOTHING
        if ANY in self._origins:
            return {"Access-Control-Allow-Origin": ANY}
        # Vary, also when the request names no origin: a cache must not send one site's response to
        # another site.
        if origin not in self._origins:
            return {"Vary": "Origin"}
        return {"Vary": "Origin", "Access-Control-Allow-Origin": origin}
