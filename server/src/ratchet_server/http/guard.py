"""Who may use the calls of peers and operators: callers with the secret, or from loopback.

A node without a secret trusts callers on its own machine whose user is its own or root. (A proxy
has another user, and forwards anybody's requests.)
"""

import hmac
import logging
import os
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

from sanic import Request

from ratchet_server.http import callers
from ratchet_server.http.errors import ApiError
from ratchet_server.log_throttle import LogThrottle

# A balancer or proxy adds these headers, or some that start with `x-forwarded-`.
_PROXY_HEADERS: Final = {"forwarded", "via", "x-real-ip"}

_log = logging.getLogger(__name__)


class Guard:
    """Checks requests. Each check returns, or raises an `ApiError`, which becomes the response."""

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
        secret, comes from this node's user or root on this very machine. Browsers never have the
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
            message = "Browsers may not make this call; use `ratchet`, or send no Origin header."
            raise ApiError(403, "not_for_browsers", message)
        if not self._secrets:
            if not _from_loopback(request) or not self._is_ours(request):
                raise ApiError(
                    403,
                    "loopback_only",
                    "This node has no secret, so it takes this call only from its own user and "
                    "root on its own machine. Give all nodes and operators the same secret "
                    "(--secret-file).",
                )
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        # Sanic decodes bytes beyond ASCII to surrogates. Without `surrogateescape`, a wrong secret
        # with those bytes would be an internal error.
        given = token.strip().encode(errors="surrogateescape")
        fits = [hmac.compare_digest(given, secret) for secret in self._secrets]
        if scheme.lower() != "bearer" or not any(fits):
            what = (
                "That is not the secret of this node." if given else "This call needs the secret."
            )
            how = "Send Authorization: Bearer <secret>, or give ratchet a --secret-file."
            error = ApiError(401, "unauthorized", f"{what} {how}")
            error.headers = {"WWW-Authenticate": "Bearer"}
            raise error

    def _is_ours(self, request: Request) -> bool:
        """Whether the caller is this process's own user, or root, or the system doesn't tell."""
        socket_of = request.transport.get_extra_info
        user = self._user_of(socket_of("peername"), socket_of("sockname"))
        return user is None or user in {os.geteuid(), 0}


def _network(address: str) -> object:
    """One machine may have all addresses of such a network, and must not fill the log with them."""
    try:
        return ip_network(
            f"{address}/{24 if ip_address(address).version == 4 else 64}", strict=False
        )
    except ValueError:
        return address


def _from_loopback(request: Request) -> bool:
    # Every request through a balancer on this machine comes from loopback, whoever sent it.
    if any(
        header in _PROXY_HEADERS or header.startswith("x-forwarded-") for header in request.headers
    ):
        return False
    try:
        return ip_address(request.ip).is_loopback
    except ValueError:
        return False
