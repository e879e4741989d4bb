"""The other sites that may show this site's counts, and the headers that let them."""

from collections.abc import Sequence
from typing import Final

from ratchet_server.settings import ANY

_NOTHING: Final[dict[str, str]] = {}


class Embedders:
    """The sites of RATCHET_EMBED_ORIGINS."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)
        # The origins as a Content-Security-Policy lists them. Empty: no other site may show counts.
        self.sources = " ".join(origins)

    def shared_with(self, origin: str | None) -> dict[str, str]:
        """The headers that let a page of `origin` read a response, if it is one of these sites.

        Use them for reads only. Only the page that shows the clip knows whether somebody has played
        it, so only that page's site counts views. No header allows cookies, because Ratchet uses no
        cookies.
        """
        if not self._origins:
            return _NOTHING
        if ANY in self._origins:
            return {"Access-Control-Allow-Origin": ANY}
        # Send Vary even if the request names no origin: a cache must not use the response to one
        # site for another site.
        if origin not in self._origins:
            return {"Vary": "Origin"}
        return {"Vary": "Origin", "Access-Control-Allow-Origin": origin}
