"""A view whose key comes again is a retry, whatever the client says.

Browsers and proxies send a view again by themselves when HAProxy closes a connection that was used
before. The stand-in uses no connection twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from balancer_cluster import Cluster, start_cluster

VIEWS = "/api/videos/tide/views"


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes behind HAProxy."""
    folder: Path = tmp_path_factory.mktemp("repeats")
    with start_cluster("haproxy", folder) as started:
        yield started


def attempts(cluster: Cluster, path: str, *headers: dict[str, str]) -> list[str | None]:
    """Send views on one connection. Return which attempt each is, as its node is told."""
    with cluster.client() as client:
        seen: list[dict[str, str]] = [
            client.post(path, headers=each).json()["headers"] for each in headers
        ]
    return [each.get("ratchet-attempt") for each in seen]


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def test_a_key_that_comes_again_is_marked_as_a_retry(haproxy: Cluster) -> None:
    first, other = key(), key()
    assert attempts(haproxy, VIEWS, first, other, first, first) == [None, None, "2", "2"]


def test_a_client_s_own_number_stays(haproxy: Cluster) -> None:
    first = key()
    numbered = [first | {"Ratchet-Attempt": str(number)} for number in (1, 2, 7)]
    assert attempts(haproxy, VIEWS, *numbered) == ["1", "2", "7"]
    assert attempts(haproxy, VIEWS, numbered[0]) == ["2"]


def test_views_without_a_key_are_never_retries(haproxy: Cluster) -> None:
    assert attempts(haproxy, VIEWS, {}, {}, {}) == [None, None, None]


def test_one_that_a_node_refused_is_still_a_first_attempt_at_the_next(haproxy: Cluster) -> None:
    for _ in range(9):
        assert attempts(haproxy, f"/api/videos/busy-a-{uuid.uuid4().hex}/views", key()) == [None]


def test_one_whose_connection_was_closed_without_a_response_is_a_retry(haproxy: Cluster) -> None:
    lost = {}
    with haproxy.client() as client:
        for _ in range(20):
            client.get("/api/node")  # Now the connection has been used.
            lost = key()
            try:
                if client.post("/api/videos/lost/views", headers=lost).status_code != 200:
                    break
            except httpx.RemoteProtocolError:
                break
        else:
            pytest.fail("no view went to node a")
    # The client sends the same bytes again. They go to the same node, for another video it answers.
    assert attempts(haproxy, VIEWS, lost) == ["2"]
