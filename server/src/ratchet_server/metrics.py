"""`/metrics`: the node's numbers for Prometheus, read when asked for: counting costs nothing."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import raw

from ratchet_server.parts import Parts


class NodeCollector(Collector):
    """Reads the parts of a node at each scrape."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """What the node counts about itself. Names and units follow Prometheus' conventions."""
        keeper, replica = self._parts.keeper, self._parts.keeper.replica
        counters = {
            "ratchet_views": (keeper.views_counted, "Views counted by this process."),
            "ratchet_keys_repeated": (
                keeper.keys_met_again,
                "Views that came again with their key.",
            ),
            "ratchet_commits": (keeper.commits, "Transactions committed."),
            "ratchet_commit_seconds": (keeper.commit_s, "Seconds spent in them."),
        }
        gauges = {
            "ratchet_ready": (self._parts.readiness.ready, "1 when reads are served."),
            "ratchet_watchers": (len(self._parts.watchers), "Websockets and event streams open."),
            "ratchet_slots": (len(replica.columns), "Slots that are not folded."),
            "ratchet_base_videos": (len(replica.base), "Videos with views in folded slots."),
        }
        for name, (value, text) in counters.items():
            yield CounterMetricFamily(name, text, value=value)
        for name, (value, text) in gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
        behind = GaugeMetricFamily(
            "ratchet_peer_behind_rows", "Changes that a connected peer lacks.", labels=["peer"]
        )
        dropped = CounterMetricFamily(
            "ratchet_peer_frames_dropped", "Frames a slow peer had no room for.", labels=["peer"]
        )
        for process, link in self._parts.mesh.links().items():
            behind.add_metric([link.peer.node], replica.behind(process))
            dropped.add_metric([link.peer.node], link.dropped)
        yield behind
        yield dropped


def metrics(parts: Parts) -> Blueprint:
    """The call."""
    blueprint = Blueprint("metrics")
    registry = CollectorRegistry()
    registry.register(NodeCollector(parts))

    @blueprint.get("/metrics")
    async def scrape(_request: Request) -> HTTPResponse:
        return raw(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint
