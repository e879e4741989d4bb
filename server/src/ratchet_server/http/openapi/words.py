"""The words in which calls are described: parameters, bodies, responses, errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from ratchet_server.http.codes import MEANINGS
from ratchet_server.http.problems import PROBLEM

Json = dict[str, Any]

JSON: Final = "application/json"
# The types of an error, and its schemas.
ERRORS: Final = {JSON: "Error", PROBLEM: "Problem"}

# Each request may get these: before the call, or instead of it.
_ANY: Final = {
    400: "bad_request",
    403: "other_host",
    408: "request_timeout",
    413: "too_large",
    417: "expectation_failed",
    500: "internal",
}
# For operators only.
_GUARDED: Final = {401: "unauthorized", 403: "not_for_browsers loopback_only"}
_VIDEO: Final = {400: "bad_video", 404: "unknown_video"}
# While a node starts, it refuses reads.
STARTING: Final = {503: "not_ready"}
# The errors that many calls have, by their codes, and where they stand.
_NAMES: Final = {
    (400, "bad_request"): "BadRequest",
    (400, "bad_request bad_video"): "BadVideo",
    (401, "unauthorized"): "Unauthorized",
    (403, "other_host"): "OtherHost",
    (403, "loopback_only not_for_browsers other_host"): "NoOperator",
    (404, "unknown_video"): "UnknownVideo",
    (408, "request_timeout"): "RequestTimeout",
    (413, "too_large"): "TooLarge",
    (417, "expectation_failed"): "ExpectationFailed",
    (500, "internal"): "Internal",
    (503, "no_page"): "NoPage",
    (503, "not_ready"): "NotReady",
}
SHARED: Final[dict[str, Json]] = {}


def ref(schema: str) -> Json:
    """A schema of `schemas`."""
    return {"$ref": f"#/components/schemas/{schema}"}


def query(name: str, schema: Json, what: str, **more: object) -> Json:
    """A parameter in the query."""
    return {"name": name, "in": "query", "description": what, "schema": schema, **more}


def header(name: str, what: str, schema: Json | None = None) -> Json:
    """A header of a request."""
    schema = schema or {"type": "string"}
    return {"name": name, "in": "header", "description": what, "schema": schema}


def in_path(name: str, what: str, schema: Json | None = None) -> Json:
    """A part of the path."""
    schema = schema or {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": what, "schema": schema}


VIDEO: Final = in_path("video", "The id of the video.", ref("VideoId"))
ACK: Final = query(
    "ack",
    {"enum": ["memory", "disk", "peers"]},
    "What a 200 promises: the view is counted, on this node's disk, or on another node's, too. "
    "The default is the node's RATCHET_ACK.",
)
IF_NONE_MATCH: Final = header("If-None-Match", "The ETags of responses that the client has.")
_ETAG: Final = {
    "ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}, "required": True}
}


def ok(
    what: str, schema: Json | None = None, kind: str = JSON, *, etag: bool = False
) -> dict[int, Json]:
    """The response 200; with `etag`, 304 as well."""
    more = {"headers": _ETAG} if etag else {}
    content = {kind: {"schema": schema} if schema else {}}
    answers: dict[int, Json] = {200: {"description": what, "content": content, **more}}
    if etag:
        answers[304] = {"description": "The client has this already.", **more}
    return answers


def body(schema: str) -> Json:
    """The body of a request."""
    return {"required": True, "content": {JSON: {"schema": ref(schema)}}}


def call(
    name: str,
    summary: str,
    answers: Mapping[int, Json],
    errors: Mapping[int, str] | None = None,
    *,
    tag: str,
    more: str = "",
    parameters: tuple[Json, ...] = (),
    takes: str = "",
    guarded: bool = False,
) -> Json:
    """A call. `errors`: the codes of each status, with spaces between them. `guarded`: it is for
    operators. `takes`: the schema of its body."""
    kinds = [_ANY, errors or {}]
    if guarded:
        kinds.append(_GUARDED)
    if VIDEO in parameters:
        kinds.append(_VIDEO)
    responses = {**answers, **_errors(kinds)}
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        **({"description": more} if more else {}),
        **({"security": [{"secret": []}]} if guarded else {}),
        **({"parameters": [*parameters]} if parameters else {}),
        **({"requestBody": body(takes)} if takes else {}),
        "responses": {str(status): responses[status] for status in sorted(responses)},
    }


def _errors(kinds: list[Mapping[int, str]]) -> dict[int, Json]:
    statuses = sorted({status for kind in kinds for status in kind})
    return {
        status: _error(status, " ".join(kind.get(status, "") for kind in kinds).split())
        for status in statuses
    }


def _error(status: int, codes: list[str]) -> Json:
    """An error response; one that many calls have stands in one place."""
    made = {
        "description": "\n".join(
            [
                f"{HTTPStatus(status).phrase}.",
                "",
                *(f"- `{code}`: {MEANINGS[code]}" for code in sorted(codes)),
            ]
        ),
        "content": {
            kind: {"schema": {**ref(schema), "properties": {"error": {"enum": sorted(codes)}}}}
            for kind, schema in ERRORS.items()
        },
    }
    name = _NAMES.get((status, " ".join(sorted(codes))))
    if name is None:
        return made
    SHARED[name] = made
    return {"$ref": f"#/components/responses/{name}"}
