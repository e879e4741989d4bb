"""The contract's error responses: {"error": "<code>", "message": "<what and how to mend it>"}."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from sanic import HTTPResponse, Request
from sanic.exceptions import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    SanicException,
)
from sanic.handlers import ErrorHandler
from sanic.response import json

from ratchet_server.counting.refusals import Refusal
from ratchet_server.http.refusals import told

_MESSAGES: Final[dict[type[SanicException], tuple[str, str]]] = {
    BadRequest: ("bad_request", "This is no HTTP/1.1 request that a node understands."),
    RequestTimeout: (
        "request_timeout",
        "The rest of the request didn't come; send it again, whole.",
    ),
    NotFound: ("not_found", "There is nothing at this path; PROTOCOL.md lists the calls."),
    MethodNotAllowed: ("method_not_allowed", "This path takes other methods; see Allow."),
    PayloadTooLarge: ("too_large", "The request is larger than this node reads."),
}

# The header with the name of the node that responds.
NODE_HEADER: Final = "X-Ratchet-Node"

_log = logging.getLogger(__name__)


class ApiError(SanicException):
    """An error response. `code` is for programs, `message` for people."""

    quiet = True

    def __init__(
        self, status: int, code: str, message: str, *, retry_after_s: int | None = None
    ) -> None:
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        super().__init__(message, status_code=status, headers=headers)
        self.code = code


def refused(refusal: Refusal) -> ApiError:
    """The answer for a refusal of the keeper."""
    why = told(refusal)
    return ApiError(why.status, why.code, why.message, retry_after_s=why.retry_after_s)


class JsonErrors(ErrorHandler):
    """Turns every failure into the contract's form, also Sanic's own failures and bugs."""

    def __init__(
        self, usual: Mapping[str, str], last: Callable[[Request], None] = lambda _request: None
    ) -> None:
        """`usual`: default headers for every response.
        `last`: called for each error response, which may be the last on its connection."""
        super().__init__()
        self._usual = usual
        self._last = last

    def default(self, request: Request | None, exception: Exception) -> HTTPResponse:
        """The response for `exception`."""
        if isinstance(exception, Refusal):
            exception = refused(exception)
        status, headers = 500, {}
        code = "internal"
        message = "This node failed to answer; its log says why. The request may be sent again."
        if isinstance(exception, SanicException):
            status, headers = exception.status_code, dict(exception.headers)
            for kind, (known_code, known_message) in _MESSAGES.items():
                if isinstance(exception, kind):
                    code, message = known_code, known_message
                    break
            else:
                code = getattr(
                    exception, "code", HTTPStatus(status).phrase.lower().replace(" ", "_")
                )
                message = str(exception)
        elif not isinstance(exception, asyncio.CancelledError):  # That means: the client has left.
            _log.exception("unforeseen failure at %s", request.path if request else "?")
        # The exception may carry the `Content-Length` of another body, which would cut this body
        # short, or let the client wait for more.
        headers.pop("Content-Length", None)
        headers = {**self._usual, **headers}
        if request:
            self._last(request)
        return json({"error": code, "message": message}, status=status, headers=headers)
