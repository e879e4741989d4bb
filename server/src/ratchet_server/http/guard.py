"""Who may use the calls of peers and operators: callers with the secret, or from loopback."""

import hmac
import logging
from ipaddress import ip_address
from typing import Final

from sanic import Request

from ratchet_server.http.errors import ApiError
from ratchet_server.log_throttle import LogThrottle

# A balancer or proxy adds these headers, or some that start with `x-forwarded-`.
_PROXY_HEADERS: Final = {"forwarded", "via", "x-real-ip"}

_log = logging.getLogger(__name__)


class Guard:
    """Checks requests. Each check returns, or raises an `ApiError`, which becomes the response."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret
        self._refusals = LogThrottle()

    def operator(self, request: Request) -> None:
        """Let peers and operators pass: their request has the secret or, if this node has no
        secret, comes from this very machine. Browsers never have the secret, and never pass.

        The log names each caller that doesn't pass: a node with another secret, or an attacker.
        """
        try:
            self._check_operator(request)
        except ApiError as refusal:
            if self._refusals.due((request.ip, request.path, refusal.code)):
                _log.warning("refused %s at %s: %s", request.ip, request.path, refusal)
            raise

    def _check_operator(self, request: Request) -> None:
        if "origin" in request.headers:
            message = "Browsers may not make this call; use `ratchet`, or send no Origin header."
            raise ApiError(403, "not_for_browsers", message)
        if self._secret is None:
            if not _from_loopback(request):
                raise ApiError(
                    403,
                    "loopback_only",
                    "This node has no secret, so it takes this call from its own machine only. "
                    "Give all nodes and operators the same secret (--secret-file).",
                )
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        # Sanic decodes bytes beyond ASCII to surrogates. Without `surrogateescape`, a wrong secret
        # with those bytes would be an internal error.
        given = token.strip().encode(errors="surrogateescape")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._secret.encode()):
            what = (
                "That is not the secret of this node." if given else "This call needs the secret."
            )
            how = "Send Authorization: Bearer <secret>, or give ratchet a --secret-file."
            error = ApiError(401, "unauthorized", f"{what} {how}")
            error.headers = {"WWW-Authenticate": "Bearer"}
            raise error


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
