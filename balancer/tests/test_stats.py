"""What operators see of HAProxy: its log and its stats call the nodes by their own names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from balancer_cluster import Cluster, start_cluster
from prometheus_client.parser import text_string_to_metric_families

from testing.nodes import HOST, free_port, wait_until

BACKENDS = {"pages", "assets", "reads", "live", "views"}


# The cluster, and where HAProxy shows its stats.
Watched = tuple[Cluster, str]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Watched]:
    """Nodes behind HAProxy. The first of them was given without its name."""
    stats = f"{HOST}:{free_port()}"
    monkeypatch.setenv("RATCHET_STATS", stats)
    with start_cluster("haproxy", tmp_path) as cluster:
        yield cluster, stats


def up(stats: str) -> set[tuple[str, str]]:
    """The servers that are up, each with its backend, as Prometheus reads it."""
    text = httpx.get(f"http://{stats}/metrics").raise_for_status().text
    return {
        (sample.labels["proxy"], sample.labels["server"])
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "haproxy_server_status"
        and sample.labels["state"] == "UP"
        and sample.value
    }


def test_name_the_nodes(watched: Watched, tmp_path: Path) -> None:
    cluster, stats = watched
    names = {cluster.nodes[0].address, "b", "c"}
    everywhere = {(backend, name) for backend in BACKENDS for name in names}
    wait_until(lambda: up(stats) == everywhere, "all are up")
    page = httpx.get(f"http://{stats}/").raise_for_status().text
    assert all(f"pages/{name}" in page for name in names)

    cluster.nodes[1].set_ready(False)
    wait_until(lambda: ("pages", "b") not in up(stats), "b is down")
    wait_until(lambda: "pages/b is DOWN" in (tmp_path / "balancer.log").read_text(), "the log says")


def test_are_not_public(watched: Watched) -> None:
    cluster, _ = watched
    with cluster.client() as client:
        assert client.get("/metrics").status_code == 404
        assert "Statistics" not in client.get("/").text
