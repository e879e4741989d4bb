"""openapi.json is OpenAPI 3.1, describes exactly the calls that there are, and is for any page.

`testing.described` holds what all tests get against it.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from ratchet_server.counting.store import Store
from ratchet_server.http import codes, description
from ratchet_server.http.catalogue import Catalogue
from ratchet_server.http.listed import Listed
from ratchet_server.http.openapi.document import document, text
from ratchet_server.node import _node
from ratchet_server.settings import MEMORY, Settings
from sanic_routing.route import Route

from testing import described
from testing.nodes import Node

FOREIGN = {"Origin": "https://lesson.example", "Sec-Fetch-Site": "cross-site"}
HTTP = Path(description.__file__).parent
FILE = description.FILE
# Where a code stands in the program.
CODE = re.compile(r'Error\(\s*(?:[45]\d\d|NOT_YET),\s*"([a-z_]+)"')


def test_the_file_is_what_its_parts_say() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run python -m ratchet_server.http.openapi"


def test_it_is_openapi_3_1() -> None:
    # In a Python of its own: pytest rewrites all of a library that has a plugin, for some seconds.
    validate = f"from schemathesis import openapi; openapi.from_path({str(FILE)!r}).validate()"
    subprocess.run([sys.executable, "-c", validate], check=True)


def test_each_reference_leads_to_something() -> None:
    for part in parts(document()):
        if "$ref" in part:
            found: Any = document()
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name]


def test_each_schema_is_one() -> None:
    for part in parts(document()):
        if "schema" in part:
            jsonschema_rs.meta.validate(part["schema"])
    for schema in document()["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_each_call_has_a_name_of_its_own() -> None:
    names = [part["operationId"] for part in parts(document()) if "operationId" in part]
    assert len(names) == len(set(names)) > 20


def test_it_describes_the_calls_that_there_are_and_no_others() -> None:
    async def routes() -> list[Route]:
        store = await Store.open(None)
        settings = Settings(name="a", data=MEMORY)
        app = _node(settings, Catalogue(None), Listed(None), (), (), store, "http://x:1").app
        await store.close()
        return [*app.router.routes]

    there = {
        (re.sub(r"<(\w+):\w+>", r"{\1}", f"/{route.path}"), method.lower())
        for route in asyncio.run(routes())
        if not route.extra.websocket
        for method in route.methods
    }
    assert there == {
        (path, method) for path, item in document()["paths"].items() for method in item
    }


def test_each_error_code_of_the_program_has_a_meaning() -> None:
    used = {code for file in HTTP.rglob("*.py") for code in CODE.findall(file.read_text())}
    assert len(used) > 30
    assert used <= codes.MEANINGS.keys()


def test_each_meaning_is_that_of_an_error_which_some_call_has() -> None:
    enums = (part["error"]["enum"] for part in parts(document()) if "enum" in part.get("error", ()))
    listed = {code for enum in enums for code in enum}
    # Of a websocket, and of no call.
    assert codes.MEANINGS.keys() - listed == {"loading", "method_not_allowed"}


def parts(of: Any) -> Iterator[dict[str, Any]]:
    """All objects in a part of the description."""
    if isinstance(of, dict):
        yield of
    for each in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from parts(each)


def test_pages_of_any_site_may_read_it_and_a_cache_asks_each_time(node: Node) -> None:
    answer = node.get("/openapi.json", FOREIGN)
    assert answer.json() == document()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = node.get("/openapi.json", {"If-None-Match": answer.headers["etag"], **FOREIGN})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["access-control-allow-origin"] == "*"


GOOD = httpx.Response(200, json={"video": "tide", "views": 1}, headers={"ETag": '"x"'})
REFUSED = httpx.Response(400, json={"error": "bad_video", "message": "…"})
PICTURE = httpx.Response(200, content=b"<svg/>", headers={"Content-Type": "image/svg+xml"})


@pytest.mark.parametrize("response", [GOOD, REFUSED])
def test_a_response_as_described_passes(response: httpx.Response) -> None:
    held(response)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (httpx.Response(201), "201 .* is not described"),
        (PICTURE, "lacks ETag"),
        (httpx.Response(200, headers={**PICTURE.headers, "ETag": "x"}), "another type"),
        (httpx.Response(200, json={"views": 1}, headers=GOOD.headers), "video"),
        (httpx.Response(200, json=GOOD.json() | {"new": 1}, headers=GOOD.headers), "new"),
        (httpx.Response(200, json=GOOD.json() | {"views": -1}, headers=GOOD.headers), "minimum"),
        (httpx.Response(400, json=REFUSED.json() | {"error": "bad_key"}), "bad_key"),
        (httpx.Response(304, headers={"Content-Type": "text/plain"}), "lacks ETag"),
    ],
)
def test_any_other_response_fails_the_test_that_gets_it(response: httpx.Response, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        held(response)


def test_nothing_but_errors_comes_from_where_nothing_is_described() -> None:
    held(httpx.Response(404, json={"error": "not_found", "message": "…"}), "/no/such")
    with pytest.raises(AssertionError, match="not described"):
        held(GOOD, "/no/such")
    with pytest.raises(AssertionError, match="not described"):
        held(GOOD, "/api/videos/tide", "DELETE")


def test_the_clients_of_all_tests_hold_what_they_get(
    node: Node, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(described, "hold", lambda response: seen.append(response.request.url.path))
    node.get("/api/node")
    http.get("/healthz")
    http.post("/api/videos/held/views")
    assert seen == ["/api/node", "/healthz", "/api/videos/held/views"]


def held(response: httpx.Response, path: str = "/api/videos/tide", method: str = "GET") -> None:
    """Hold `response` against the description of this call."""
    response.request = httpx.Request(method, f"http://localhost{path}")
    described.hold(response)
