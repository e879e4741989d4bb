"""The contract's error responses: {"error": "<code>", "message": "<what and how to mend it>"}, and
for some errors more fields. `problems` adds those of RFC 9457."""

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

from ratchet_server.counting.refusals import BadEntry, Refusal
from ratchet_server.http.problems import PROBLEM, as_problem, wants_problem
from ratchet_server.http.refusals import error_of

_MESSAGES: Final[dict[type[SanicException], tuple[str, str]]] = {
    BadRequest: ("bad_request", "This node can't parse the request; send valid HTTP/1.1."),
    RequestTimeout: (
        "request_timeout",
        "The rest of the request did not arrive in time; send the whole request again.",
    ),
    NotFound: ("not_found", "There is nothing at this path; PROTOCOL.md lists the calls."),
    MethodNotAllowed: (
        "method_not_allowed",
        "This path does not allow this method; the Allow header lists the methods it allows.",
    ),
    PayloadTooLarge: ("too_large", "The request is too large for this node; send a smaller one."),
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
        # More fields of the response.
        self.more: Mapping[str, object] = {}


def refused(refusal: Refusal) -> ApiError:
    """The error response for a refusal of the keeper."""
    if isinstance(refusal, BadEntry):
        why = error_of(refusal.why)
        return bad_entry(refusal.index, why.code, why.message)
    error = error_of(refusal)
    return ApiError(error.status, error.code, error.message, retry_after_s=error.retry_after_s)


def bad_entry(index: int, code: str, message: str) -> ApiError:
    """The error response to a list of entries: the one at `index` is the first that can't count."""
    error = ApiError(400, code, f"Entry {index} is bad, so none of them was counted. {message}")
    error.more = {"index": index}
    return error


class JsonErrors(ErrorHandler):
    """Gives every error response the contract's form, also those for Sanic's own errors and for
    bugs."""

    def __init__(
        self,
        defaults: Mapping[str, str],
        before_response: Callable[[Request], None] = lambda _request: None,
        counted: Callable[[str], None] = lambda _code: None,
    ) -> None:
        """`defaults`: headers for every response that does not set them itself.
        `before_response`: called with the request before each error response. `counted`: called
        with the code of each."""
        super().__init__()
        self._defaults = defaults
        self._before_response = before_response
        self._counted = counted

    def default(self, request: Request | None, exception: Exception) -> HTTPResponse:
        """The response for `exception`."""
        if isinstance(exception, Refusal):
            exception = refused(exception)
        status, headers, more = 500, {}, dict[str, object]()
        code = "internal"
        message = "This node failed at this request; its log says why. You may send it again."
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
                more = {**getattr(exception, "more", {})}
        # Sanic cancels a handler when its client disconnects: that is no failure.
        elif not isinstance(exception, asyncio.CancelledError):
            _log.exception("unexpected error at %s", request.path if request else "?")
        # The exception may carry the `Content-Length` of another body, which would cut this body
        # short, or make the client wait for more.
        headers.pop("Content-Length", None)
        headers = {**self._defaults, **headers}
        if request:
            self._before_response(request)
        self._counted(code)
        body = {"error": code, "message": message, **more}
        if request and wants_problem(request):
            problem = as_problem(status, body)
            return json(problem, status=status, headers=headers, content_type=PROBLEM)
        return json(body, status=status, headers=headers)
