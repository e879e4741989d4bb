"""Views of robots that call themselves robots are not counted."""

from pathlib import Path

import pytest
from ratchet_server.http.robots import is_robot

from testing.nodes import HTTP, Node

VIEWS = "/api/videos/x/views"
GOOGLE = (
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; "
    "+http://www.google.com/bot.html) Chrome/140.0.0.0 Safari/537.36"
)
ROBOTS = [
    GOOGLE,
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp)",
    "Mediapartners-Google",
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
]
OTHERS = [
    "",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile",
    "Mozilla/5.0 (Linux; Android 13; CUBOT KINGKONG 9) AppleWebKit/537.36 Chrome/140.0.0.0",
    "python-httpx/0.28.1",
    "curl/8.5.0",
    "okhttp/4.12.0",
    "\xff\xfe",
]


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robot_is_known_by_its_name(name: str) -> None:
    assert is_robot(name)


@pytest.mark.parametrize("name", OTHERS)
def test_people_and_back_ends_are_none(name: str) -> None:
    assert not is_robot(name)


def test_their_views_are_refused_and_not_counted(node: Node) -> None:
    before = node.views("x")
    answer = HTTP.post(node.url + VIEWS, headers={"User-Agent": GOOGLE})
    assert (answer.status_code, answer.json()["error"]) == (403, "robot")
    # By this header the page knows that a node has refused the view, and sends it no more.
    assert answer.headers["x-ratchet-node"] == node.name
    assert node.views("x") == before
    # They read all that they like.
    assert HTTP.get(node.url + "/", headers={"User-Agent": GOOGLE}).status_code == 200


def test_a_page_of_a_listed_site_can_read_why(tmp_path: Path) -> None:
    environ = {"RATCHET_COUNT_ORIGINS": "https://shop.example"}
    with Node("a", tmp_path, data=":memory:", environ=environ) as node:
        node.start()
        headers = {"User-Agent": GOOGLE, "Origin": "https://shop.example"}
        answer = HTTP.post(node.url + VIEWS, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "robot")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_a_node_counts_them_if_its_operator_wants_that(tmp_path: Path) -> None:
    with Node("a", tmp_path, data=":memory:", environ={"RATCHET_ROBOTS": "count"}) as node:
        node.start()
        answer = HTTP.post(node.url + VIEWS, headers={"User-Agent": GOOGLE})
        assert (answer.status_code, answer.json()["views"]) == (200, 1)
