"""Sanic's router, for which HEAD is allowed wherever GET is (RFC 9110, 9.1)."""

from typing import Any

from sanic.exceptions import MethodNotAllowed
from sanic.router import Router
from sanic_routing.route import Route


class HeadRouter(Router):
    """Gives a HEAD to the handler of GET; Sanic sends no body then. A handler that streams for long
    has to look at the method."""

    # Sanic wraps its own in a cache, whose type no function has.
    def get(  # type: ignore[override]
        self, path: str, method: str, host: str | None
    ) -> tuple[Route, Any, dict[str, Any]]:
        """The route, the handler and its arguments for a request."""
        try:
            return super().get(path, method, host)
        except MethodNotAllowed as refusal:
            found = self._readable(path, host)
            if found is None:
                raise
            if method == "HEAD":
                return found
            refusal.headers["Allow"] = ", ".join((refusal.headers["Allow"], "HEAD"))
            raise

    def _readable(self, path: str, host: str | None) -> tuple[Route, Any, dict[str, Any]] | None:
        """What GET finds at `path`. A websocket is no such thing: HEAD must not open one."""
        try:
            found = super().get(path, "GET", host)
        except MethodNotAllowed:
            return None
        return None if found[0].extra.websocket else found
