"""`/metrics`: the node's numbers for Prometheus. Each scrape reads them from the node's parts.

Three collectors read what is the node's own: `counting` (views, commits, the database), `cluster`
(the other nodes, slots, buses, registries) and `serving` (responses, connections). Those of the
process, of Python and of its garbage collection are prometheus_client's.

Names and units follow Prometheus' conventions; `promtool check metrics` has nothing to say. A name
or a label that operators use in alerts is not changed without a line in CHANGELOG.md.
"""

import importlib.metadata
from collections.abc import Iterator

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import raw

from ratchet_server import DISTRIBUTION


class _Build(Collector):
    """Which program this is, and which node."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._version = importlib.metadata.version(DISTRIBUTION)

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "ratchet_build", "The program's version.", {"version": self._version}
        )
        yield InfoMetricFamily("ratchet_node", "The node's name.", {"node": self._node})


def metrics(node: str, *collectors: Collector) -> Blueprint:
    """The call. `node`: the name of this node."""
    blueprint = Blueprint("metrics")
    registry = CollectorRegistry()
    for collector in (_Build(node), *collectors):
        registry.register(collector)
    for of_the_process in (ProcessCollector, PlatformCollector, GCCollector):
        of_the_process(registry=registry)

    @blueprint.get("/metrics")
    async def scrape(_request: Request) -> HTTPResponse:
        return raw(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint
