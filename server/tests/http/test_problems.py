"""Errors as RFC 9457 has them: for those who ask, and for nobody else."""

import json

import httpx
import pytest

from testing.nodes import Node
from testing.wire import raw

PROBLEM = "application/problem+json"
ASKING = {"Accept": PROBLEM}
# One of a call's own, one of the keeper, one of Sanic, and one where there is no call.
ERRORS = [
    ("GET", "/api/videos?limit=0", 400, "bad_limit"),
    ("POST", "/api/videos/tide/views?ack=peers", 503, "no_peer"),
    ("POST", "/api/videos", 405, "method_not_allowed"),
    ("GET", "/no/such", 404, "not_found"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), ERRORS)
def test_who_asks_gets_the_fields_beside_those_of_every_error(
    http: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    plain, problem = (http.request(method, path, headers=each) for each in ({}, ASKING))
    assert plain.headers["content-type"] == "application/json"
    assert plain.json().keys() == {"error", "message"}
    assert problem.headers["content-type"] == PROBLEM
    assert problem.json().items() >= plain.json().items()
    added = {name: value for name, value in problem.json().items() if name not in plain.json()}
    meanings = http.get("/openapi.json").json()["x-errors"]
    assert added == {
        "type": f"/openapi.json#/x-errors/{code}",
        "title": meanings[code],
        "status": status,
        "detail": plain.json()["message"],
    }
    assert problem.status_code == plain.status_code == status
    same = [{**each.headers, "content-type": "", "content-length": ""} for each in (plain, problem)]
    assert same[0] == same[1]


def test_an_error_with_more_fields_keeps_them(http: httpx.Client) -> None:
    body = {"views": [{"video": "tide", "n": 1}, {"video": "a b", "n": 1}]}
    problem = http.post("/api/views", json=body, headers=ASKING).json()
    assert (problem["index"], problem["error"], problem["status"]) == (1, "bad_entry", 400)


@pytest.mark.parametrize(
    "accept",
    [
        PROBLEM,
        f"text/html, {PROBLEM.upper()};q=0.1, */*",
        f"application/json, {PROBLEM}; charset=utf-8",
    ],
)
def test_one_asks_by_its_name(http: httpx.Client, accept: str) -> None:
    assert http.get("/no/such", headers={"Accept": accept}).headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/*", "application/json", f"{PROBLEM};q=0", f"{PROBLEM};x=1;q=0.000"],
)
def test_others_get_errors_as_ever(http: httpx.Client, accept: str) -> None:
    answer = http.get("/no/such", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error", "message"}


def test_it_may_be_named_in_a_second_header(http: httpx.Client) -> None:
    headers = [("Accept", "text/html"), ("Accept", PROBLEM)]
    assert http.get("/no/such", headers=headers).headers["content-type"] == PROBLEM


def test_a_refused_websocket_is_a_problem_too(http: httpx.Client) -> None:
    headers = {**ASKING, "Upgrade": "websocket", "Connection": "Upgrade"}
    answer = http.get("/api/videos/a%20b/live", headers=headers)
    assert (answer.headers["content-type"], answer.json()["status"]) == (PROBLEM, 400)


def test_bytes_that_are_no_http_ask_for_nothing(node: Node) -> None:
    head, _, body = raw(node, f"NO HTTP\r\nAccept: {PROBLEM}\r\n\r\n".encode()).partition(
        b"\r\n\r\n"
    )
    assert b"content-type: application/json\r\n" in head.lower() + b"\r\n"
    assert json.loads(body).keys() == {"error", "message"}


def test_head_has_the_length_of_the_problem(http: httpx.Client) -> None:
    get, head = (http.request(each, "/no/such", headers=ASKING) for each in ("GET", "HEAD"))
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == PROBLEM
