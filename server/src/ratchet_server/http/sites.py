"""Which site's page has sent a request. Browsers add this to each request; no page can forge it.

Any page of any site can make its visitors' browsers send requests here: with fetch, a beacon or a
form. In `Sec-Fetch-Site` (Fetch Metadata, W3C) a browser states whether the page is from the same
site. In every POST and every websocket handshake, it names the page's site in `Origin`. Clients
that are not browsers send neither header.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from sanic import Request

from ratchet_server.http.errors import NODE_HEADER, ApiError
from ratchet_server.settings import ANY

# How long a browser remembers the response to its preflight: a day.
_PREFLIGHT_S: Final = 86_400
_NOTHING: Final[dict[str, str]] = {}


class Sites:
    """`counting`: the origins of other sites whose pages may count views here, or `ANY`."""

    def __init__(self, counting: Sequence[str]) -> None:
        self._counting = frozenset(counting)

    def may_watch(self, request: Request) -> None:
        """Refuse a websocket that a page of another site opens: browsers let any page open one to
        any host. Clients that are not browsers may watch. Raises `ApiError`."""
        if not _ours(request):
            raise ApiError(403, "other_origin", "Websockets are for pages of this site.")

    def may_count(self, request: Request) -> dict[str, str]:
        """Refuse a view from a page of a site that is neither this one nor listed. Clients that are
        not browsers may count. Returns the headers that let a listed site's page read the response.
        Raises `ApiError`."""
        origin = request.headers.get("origin")
        if origin is None and "sec-fetch-site" not in request.headers:
            return _NOTHING
        if origin is not None and self._is_listed(origin):
            return {
                "Access-Control-Allow-Origin": origin,
                # When to try again, and whether a node has refused the view, or a proxy.
                "Access-Control-Expose-Headers": f"Retry-After, {NODE_HEADER}",
                "Vary": "Origin",
            }
        if _ours(request):
            return _NOTHING
        raise ApiError(
            403,
            "other_origin",
            "This view comes from a page of another site, so it was not counted. "
            "Pages of the sites in RATCHET_COUNT_ORIGINS may count here.",
        )

    def preflight(self, request: Request) -> dict[str, str]:
        """The headers of the response to a preflight: with CORS, a browser sends one before a page
        of another site may send a view with a key. Raises `ApiError`."""
        return self.may_count(request) | {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Idempotency-Key, Ratchet-Attempt, Content-Type",
            "Access-Control-Max-Age": str(_PREFLIGHT_S),
        }

    def _is_listed(self, origin: str) -> bool:
        return origin in self._counting or ANY in self._counting


def _ours(request: Request) -> bool:
    """Whether the request comes from a page of this site, or from no page."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # The browser compared the sites itself. We could not: a proxy may have changed `Host`.
        # `none` means that the user caused the request, by a bookmark, say.
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or _netloc(origin) == request.headers.get("host")


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
