"""Holds the responses that tests get from nodes against openapi.json, field by field.

A field that it does not name is an error here, although clients should ignore it.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import jsonschema_rs
import ratchet_server

Json = dict[str, Any]

# All tests import this: the server's own modules would cost each process half a second.
_FILE: Final = Path(ratchet_server.__file__).parent / "http/openapi/openapi.json"
# What only nodes send.
_NODE_HEADER: Final = "X-Ratchet-Node"
# What a response may be where nothing is described: websockets, and paths where there is nothing.
_ELSEWHERE: Final = {
    kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    for kind, schema in {"application/json": "Error", "application/problem+json": "Problem"}.items()
}
_PARAMETER: Final = re.compile(r"\{\w+\}")
_VIEWS: Final = re.compile(r"/api/videos/[^/]+/views/?")


class Client(httpx.Client):
    """A client that holds what it gets against the description. Of a stream, only the head."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send `request`. Raises `AssertionError` if the response is not as described."""
        response = super().send(request, **options)
        if _NODE_HEADER in response.headers or _is_a_counted_view(response):
            hold(response)
        return response


def hold(response: httpx.Response) -> None:
    """Raise `AssertionError` if this response of a node is not as described."""
    request = response.request
    target = request.url.raw_path.decode().partition("?")[0]
    method, status = request.method.lower(), response.status_code
    what = f"{request.method} {target}: {status} {response.headers.get('Content-Type')}"
    described = _described("get" if method == "head" else method, _template(target))
    if described is None:
        assert status >= 400, f"{what} is not described"
        _hold_body(response, _ELSEWHERE, what)
        return
    answer = described.get(str(status))
    assert answer, f"{what} is not described"
    for name, header in answer.get("headers", {}).items():
        assert name in response.headers or not header["required"], f"{what} lacks {name}"
    _hold_body(response, answer.get("content", {}), what)


def _hold_body(response: httpx.Response, content: Json, what: str) -> None:
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if not content:
        assert not kind or response.status_code == 304, f"{what} should have no body"
        return
    described = content.get(kind, content.get("*/*"))
    assert described is not None, f"{what} has another type than described: {[*content]}"
    if kind.endswith("json") and response.is_stream_consumed and response.content:
        for error in _validator(_Key(described.get("schema", True))).iter_errors(response.json()):
            raise AssertionError(f"{what}: {error}\n{response.text[:2000]}")


def _is_a_counted_view(response: httpx.Response) -> bool:
    path = response.request.url.raw_path.decode().partition("?")[0]
    return response.status_code == 200 and bool(_VIEWS.fullmatch(path))


class _Key(NamedTuple):
    """A schema, which stays where it is, as the key of a cache."""

    schema: Any

    def __hash__(self) -> int:
        return id(self.schema)


@cache
def _validator(key: _Key) -> jsonschema_rs.Validator:
    whole = key.schema if isinstance(key.schema, dict) else {}
    return jsonschema_rs.validator_for({**whole, "components": _strict()["components"]})


@cache
def _strict() -> Json:
    closed = _closed(json.loads(_FILE.read_text(encoding="utf-8")))
    assert isinstance(closed, dict)
    return closed


def _closed(part: Any) -> Any:
    """`part` of the description, with objects that have no other fields than those it names."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(each) for name, each in part.items()}
    if "properties" in part and part.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


@cache
def _described(method: str, template: str | None) -> Json | None:
    """The responses of a call; None if there is none."""
    call = _strict()["paths"].get(template, {}).get(method)
    if call is None:
        return None
    shared = _strict()["components"]["responses"]
    return {
        status: shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        for status, answer in call["responses"].items()
    }


def _template(target: str) -> str | None:
    """The described path that `target` belongs to."""
    target = target if target == "/" else target.removesuffix("/")
    found = (path for path, pattern in _patterns() if pattern.fullmatch(target))
    return next(found, None)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    # Only a file of a build may be in folders.
    patterns = {
        path: re.sub(
            r"\\\{\w+\\\}", ".+" if path.startswith("/assets/") else "[^/]+", re.escape(path)
        )
        for path in _strict()["paths"]
    }
    # Those without parameters first.
    paths = sorted(patterns, key=lambda path: len(_PARAMETER.findall(path)))
    return [(path, re.compile(patterns[path])) for path in paths]
