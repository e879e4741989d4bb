"""Who may call what: peers and operators by the secret or from loopback, browsers by origin.

A node without a secret trusts callers on its own machine, if their user is its own or root. (A
proxy has another user, and forwards what anybody sends.)
"""

import hmac
import logging
import os
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from sanic import Request

from ratchet_server.http import callers
from ratchet_server.http.errors import ApiError
from ratchet_server.log_throttle import LogThrottle

_PASSED_ON: Final = {"forwarded", "via", "x-real-ip"}

_log = logging.getLogger(__name__)


class Guard:
    """Checks requests. Each check returns, or raises the `ApiError` to respond with."""

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        user_of: Callable[[Sequence[Any], Sequence[Any]], int | None] = callers.user_of,
    ) -> None:
        """`secrets`: each is good, so that a cluster can change its secret node by node."""
        self._secrets = [secret.encode() for secret in secrets]
        self._user_of = user_of
        self._refusals = LogThrottle()

    def operator(self, request: Request) -> None:
        """Let peers and operators pass: their request has the secret or, if this node has no
        secret, comes from this node's user or root on this very machine. Browsers never hold the
        secret, and never pass.

        The log names each network that doesn't pass: a node with another secret, or an attacker.
        """
        try:
            self._check_operator(request)
        except ApiError as refusal:
            if self._refusals.due((_network(request.ip), request.path, refusal.code)):
                _log.warning("refused %s at %s: %s", request.ip, request.path, refusal)
            raise

    def _check_operator(self, request: Request) -> None:
        if "origin" in request.headers:
            raise ApiError(403, "not_for_browsers", "This call is not for browsers.")
        if not self._secrets:
            if not _from_loopback(request) or not self._is_ours(request):
                raise ApiError(
                    403,
                    "loopback_only",
                    "This node has no secret, so only its own user and root on its own machine may "
                    "call this. Give all nodes and operators one (--secret-file).",
                )
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        # Sanic decodes bytes beyond ASCII to surrogates. They are a wrong secret, and no failure.
        given = token.strip().encode(errors="surrogateescape")
        fits = [hmac.compare_digest(given, secret) for secret in self._secrets]
        if scheme.lower() != "bearer" or not any(fits):
            what = (
                "That is not the secret of this node." if given else "This call needs the secret."
            )
            how = "Authorization: Bearer <secret>, or --secret-file or RATCHET_SECRET for ratchet"
            error = ApiError(401, "unauthorized", f"{what} ({how}.)")
            error.headers = {"WWW-Authenticate": "Bearer"}
            raise error

    def _is_ours(self, request: Request) -> bool:
        """Whether the caller is this process's own user, or root, or the system doesn't tell."""
        socket_of = request.transport.get_extra_info
        user = self._user_of(socket_of("peername"), socket_of("sockname"))
        return user is None or user in {os.geteuid(), 0}

    def same_origin(self, request: Request) -> None:
        """Let websockets pass that come from a page of this site, or from no browser at all.

        Browsers let any page open a websocket to any host. Only the Origin header names the page.
        """
        origin = request.headers.get("origin")
        if origin is not None and _netloc(origin) != request.headers.get("host"):
            raise ApiError(403, "other_origin", "Websockets are for pages of this site.")


def _network(address: str) -> object:
    """One machine may have all addresses of such a network, and must not fill the log with them."""
    try:
        return ip_network(
            f"{address}/{24 if ip_address(address).version == 4 else 64}", strict=False
        )
    except ValueError:
        return address


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _from_loopback(request: Request) -> bool:
    # Through a balancer on the same machine everybody comes from loopback: such a request is told
    # by the headers that a balancer adds.
    if any(header in _PASSED_ON or header.startswith("x-forwarded-") for header in request.headers):
        return False
    try:
        return ip_address(request.ip).is_loopback
    except ValueError:
        return False
