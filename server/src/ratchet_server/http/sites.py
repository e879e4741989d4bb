"""Which site's page has sent a request: browsers say so, and let no page lie about it.

Any page of any site can make its visitors' browsers send requests here: with fetch, a beacon or a
form. A browser names the page's site in `Sec-Fetch-Site` (Fetch Metadata, W3C) and, in every POST
and every websocket, in `Origin`. Clients that are no browsers send neither.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from sanic import Request

from ratchet_server.http.errors import ApiError
from ratchet_server.settings import ANY

# For a day, a browser need not ask again.
_ASKED_AGAIN_S: Final = 86_400
_NOTHING: Final[dict[str, str]] = {}


class Sites:
    """`counting`: the origins of other sites whose pages may count views here, or `ANY`."""

    def __init__(self, counting: Sequence[str]) -> None:
        self._counting = frozenset(counting)

    def may_watch(self, request: Request) -> None:
        """Let websockets pass that come from this site's pages, or from no page. Browsers let any
        page open a websocket to any host. Raises `ApiError`."""
        if not _ours(request):
            raise ApiError(403, "other_origin", "Websockets are for pages of this site.")

    def may_count(self, request: Request) -> dict[str, str]:
        """Let views pass that come from this site's pages, the listed sites' or no page. Return
        the headers that let such a page read the response. Raises `ApiError`."""
        origin = request.headers.get("origin")
        if origin is None and "sec-fetch-site" not in request.headers:
            return _NOTHING
        if origin is not None and self._is_listed(origin):
            return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if _ours(request):
            return _NOTHING
        raise ApiError(
            403,
            "other_origin",
            "This view comes from a page of another site, so it was not counted. "
            "Pages of the sites in RATCHET_COUNT_ORIGINS may count here.",
        )

    def preflight(self, request: Request) -> dict[str, str]:
        """The headers for a browser that asks whether a page may send a view with a key (CORS).
        Raises `ApiError`."""
        return self.may_count(request) | {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Idempotency-Key, Ratchet-Attempt, Content-Type",
            "Access-Control-Max-Age": str(_ASKED_AGAIN_S),
        }

    def _is_listed(self, origin: str) -> bool:
        return origin in self._counting or ANY in self._counting


def _ours(request: Request) -> bool:
    """Whether a page of this site has sent the request, or no page."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # The browser knows better than we do: on the way here a proxy may have changed `Host`.
        # `none` is the user: a bookmark, say.
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or _netloc(origin) == request.headers.get("host")


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
