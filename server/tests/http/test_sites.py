"""Which sites' pages may count views here. A browser names the site of the page that sends one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testing.nodes import HTTP, Node
from testing.wire import dial, key, receive

SHOP = "https://shop.example"
VIEWS = "/api/videos/x/views"


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that lets one other site count."""
    folder: Path = tmp_path_factory.mktemp("listing")
    environ = {"RATCHET_COUNT_ORIGINS": SHOP}
    with Node("a", folder, data=":memory:", environ=environ) as node:
        yield node.start()


def send(node: Node, headers: dict[str, str], method: str = "POST") -> httpx.Response:
    return HTTP.request(method, node.url + VIEWS, headers=headers)


# What browsers send with a view from another site's page: by fetch, a beacon or a form.
OTHERS = {
    "fetch without cors": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors",
                           "Origin": "https://evil.example", "Content-Type": "text/plain"},
    "a beacon": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "a form": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "null",
               "Content-Type": "application/x-www-form-urlencoded"},
    "a neighbour below the same domain": {"Sec-Fetch-Site": "same-site",
                                          "Origin": "http://blog.127.0.0.1"},
    "no origin": {"Sec-Fetch-Site": "cross-site"},
    "an unknown word": {"Sec-Fetch-Site": "Same-Origin "  "x"},
    "an old browser": {"Origin": "https://evil.example"},
    "an old browser, in a sandbox": {"Origin": "null"},
    "our host with another port": {"Origin": "http://127.0.0.1:1"},
    "our host in its name": {"Origin": "http://127.0.0.1.evil.example"},
    "no origin at all": {"Origin": ""},
}  # fmt: skip


class TestViewsFromPagesOfOtherSites:
    @pytest.mark.parametrize("headers", OTHERS.values(), ids=OTHERS)
    def test_are_refused_and_not_counted(self, node: Node, headers: dict[str, str]) -> None:
        before = node.views("x")
        answer = send(node, headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")
        assert "access-control-allow-origin" not in answer.headers
        assert node.views("x") == before

    def test_are_refused_whatever_the_other_listed_sites_are(self, listing: Node) -> None:
        for headers in OTHERS.values():
            assert send(listing, headers).status_code == 403
        assert listing.views("x") == 0

    def test_count_if_the_site_is_listed(self, listing: Node) -> None:
        headers = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", "Idempotency-Key": key()}
        for counted in (True, False):
            answer = HTTP.post(listing.url + "/api/videos/listed/views", headers=headers)
            assert answer.json() == {"video": "listed", "views": 1, "counted": counted}
            assert answer.headers["access-control-allow-origin"] == SHOP
            assert answer.headers["vary"] == "Origin"

    def test_can_read_why_they_were_refused_if_the_site_is_listed(self, listing: Node) -> None:
        headers = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", "Idempotency-Key": "x"}
        answer = send(listing, headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_key")
        assert answer.headers["access-control-allow-origin"] == SHOP
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {"retry-after", "x-ratchet-node"} == {*exposed}

    def test_may_have_a_key_after_a_preflight(self, listing: Node) -> None:
        preflight = {"Origin": SHOP, "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "idempotency-key,ratchet-attempt"}  # fmt: skip
        answer = send(listing, preflight, "OPTIONS")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].split(", ")
        assert {"Idempotency-Key", "Ratchet-Attempt"} <= {*allowed}
        assert int(answer.headers["access-control-max-age"]) > 0

        refused = send(listing, preflight | {"Origin": "https://evil.example"}, "OPTIONS")
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers


class TestOurOwnPages:
    @pytest.mark.parametrize(
        "headers",
        [{"Sec-Fetch-Site": "same-origin", "Origin": "{ours}"}, {"Origin": "{ours}"}, {},
         {"Sec-Fetch-Site": "none"},
         # A proxy in front has replaced `Host` by its own name for this node.
         {"Sec-Fetch-Site": "same-origin", "Origin": "https://videos.example"}],
    )  # fmt: skip
    def test_count_as_do_clients_that_are_not_browsers(
        self, node: Node, headers: dict[str, str]
    ) -> None:
        sent = {name: value.replace("{ours}", node.url) for name, value in headers.items()}
        assert send(node, sent).json()["counted"] is True

    def test_may_open_websockets_behind_a_proxy_that_changes_the_host(self, node: Node) -> None:
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": "https://videos.example"}
        with dial(node, "/api/videos/x/live", headers=headers) as live:
            assert receive(live)["video"] == "x"
