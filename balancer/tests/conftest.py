"""Tests that use these fixtures run twice: behind HAProxy, and behind the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from balancer_cluster import Cluster, start_cluster


@pytest.fixture(scope="module", params=["haproxy", "stand-in"])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Three nodes that stay up. All tests of a file share them."""
    with start_cluster(request.param, tmp_path_factory.mktemp("balancer")) as started:
        yield started


@pytest.fixture(params=["haproxy", "stand-in"])
def own_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes for one test, which may kill and silence them."""
    with start_cluster(request.param, tmp_path) as started:
        yield started
