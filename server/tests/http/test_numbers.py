"""Who has a number already is told so in a few bytes; who asks for it may keep it for a while."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testing import described
from testing.nodes import PATIENCE_S, Node

CALLS = [
    "/api/videos?ids=numbers-1,numbers-2",
    "/api/videos?sort=-views",
    "/api/videos?limit=1000",
    "/api/videos/numbers-1",
]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a node that has few videos: all of them are in each list."""
    with Node("a", Path(tmp_path_factory.mktemp("numbers"))) as node:
        node.start()
        with described.Client(base_url=node.url, timeout=PATIENCE_S, trust_env=False) as client:
            yield client


def count(http: httpx.Client, video: str) -> None:
    """Count a view."""
    assert http.post(f"/api/videos/{video}/views").status_code == 200


class TestAnETag:
    @pytest.mark.parametrize("call", CALLS)
    def test_is_good_until_a_number_changes(self, http: httpx.Client, call: str) -> None:
        count(http, "numbers-1")
        # The top list may be a second old.
        first = http.get(call)
        while http.get(call).headers["etag"] != first.headers["etag"]:
            first = http.get(call)
        held = {"If-None-Match": first.headers["etag"]}
        again = http.get(call, headers=held)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["x-ratchet-node"] == "a"
        count(http, "numbers-1")
        for _ in range(1000):
            if (changed := http.get(call, headers=held)).status_code == 200:
                break
        assert changed.status_code == 200
        assert changed.headers["etag"] != first.headers["etag"]

    @pytest.mark.parametrize("call", CALLS)
    def test_makes_no_cache_answer_by_itself(self, http: httpx.Client, call: str) -> None:
        assert http.get(call).headers["cache-control"] == "no-cache"


class TestACacheMayAnswer:
    @pytest.mark.parametrize("call", CALLS)
    def test_for_as_long_as_the_caller_says(self, http: httpx.Client, call: str) -> None:
        longer = f"{call}{'&' if '?' in call else '?'}max-age=60"
        answer = http.get(longer)
        assert answer.headers["cache-control"] == "public, max-age=60"
        assert answer.json().keys() == http.get(call).json().keys()

    @pytest.mark.parametrize(
        "age", ["", "0", "61", "1.5", "-1", "1e1", "05", "100", "\u0665", "5&max-age=6"]
    )
    def test_but_not_for_any_time(self, http: httpx.Client, age: str) -> None:
        answer = http.get(f"/api/videos?ids=numbers-1&max-age={age}")
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_max_age")
        assert answer.headers["cache-control"] == "no-store"
