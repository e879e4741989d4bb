"""Every test that asks for a cluster runs twice: behind HAProxy, and behind the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from balancer_cluster import Cluster, start_cluster


@pytest.fixture(scope="module", params=["haproxy", "stand-in"])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Three nodes that stay up, for all tests of a file."""
    with start_cluster(request.param, tmp_path_factory.mktemp("balancer")) as started:
        yield started


@pytest.fixture(params=["haproxy", "stand-in"])
def own_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes of a test's own, to be killed and silenced."""
    with start_cluster(request.param, tmp_path) as started:
        yield started
