"""`/metrics`: the node's numbers for Prometheus. Each scrape reads them; counting pays nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from ratchet.notices import Kind
from ratchet.observation import Observation
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import raw

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.life import Life
from ratchet_server.http.room import How, Room
from ratchet_server.http.watchers import Watchers
from ratchet_server.peering.routes import Routes
from ratchet_server.peering.sightings import Sightings


class NodeCollector(Collector):
    """Reads the parts of a node at each scrape."""

    def __init__(
        self,
        keeper: Keeper,
        routes: Routes,
        watchers: Watchers,
        life: Life,
        room: Room,
        sightings: Sightings,
    ) -> None:
        self._keeper = keeper
        self._routes = routes
        self._watchers = watchers
        self._life = life
        self._room = room
        self._sightings = sightings

    def collect(self) -> Iterator[Metric]:
        """The node's numbers about itself. Names and units follow Prometheus' conventions."""
        keeper, seen = self._keeper, self._keeper.replica.observe()
        slots = Counter(slot.state for slot in seen.slots)
        counters = {
            "ratchet_views": (keeper.views_counted, "Views counted by this process."),
            "ratchet_keys_repeated": (
                keeper.keys_repeated,
                "Views that were not counted again, because their key was known.",
            ),
            "ratchet_commits": (keeper.commits, "Transactions committed."),
            "ratchet_commit_seconds": (keeper.commit_s, "Seconds spent in transactions."),
        }
        gauges = {
            "ratchet_ready": (self._life.serves_reads, "1 while this node serves reads."),
            "ratchet_watchers": (len(self._watchers), "Open websockets and event streams."),
            "ratchet_watchers_max": (
                self._room.watchers_max,
                "How many may be open, by the limit of open files.",
            ),
            "ratchet_connections_max": (
                self._room.connections_max,
                "How many connections clients may have open, by the same limit.",
            ),
            "ratchet_slots": (
                slots["open"] + slots["closed"],
                "Slots that are not folded.",
            ),
            "ratchet_names": (
                len(seen.newest.names()),
                "Names of nodes that this node lists.",
            ),
            "ratchet_digest_fill_ratio": (
                seen.digest_fill,
                "How much of the largest digest the names and slots fill. Above 1, names are left "
                "out, and a new node can't get all counts.",
            ),
            "ratchet_base_videos": (seen.base_videos, "Videos with views in folded slots."),
            "ratchet_strangers": (
                len(self._sightings.strangers()),
                "Nodes of other clusters that this node has met in the last 10 s, and refuses.",
            ),
        }
        for name, (value, text) in counters.items():
            yield CounterMetricFamily(name, text, value=value)
        for name, (value, text) in gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
        # Two processes may have the same name for a while, but Prometheus takes one sample for each
        # set of labels. Both may lack the same rows, so use the larger number, not the sum.
        behind, ahead, dropped = Counter[str](), Counter[str](), Counter[str]()
        for member, lacks, has in seen.members:
            if lacks is not None and has is not None:
                behind[member.node] = max(behind[member.node], lacks)
                ahead[member.node] = max(ahead[member.node], has)
        for route in self._routes.by_process().values():
            dropped[route.peer.node] += route.dropped
        yield _gauge(
            "ratchet_peer_behind_rows", "Changes that a connected peer lacks.", "peer", behind
        )
        yield _gauge(
            "ratchet_peer_ahead_rows",
            "Changes that a connected peer has and this node lacks.",
            "peer",
            ahead,
        )
        yield _counter(
            "ratchet_peer_frames_dropped",
            "Frames not sent because too many waited for a slow peer.",
            "peer",
            dropped,
        )
        yield _gauge(
            "ratchet_bus_up",
            "1 while this node hears its own messages on a bus.",
            "bus",
            {bus.name: float(bus.trouble is None) for bus in self._sightings.buses()},
        )
        yield _counter(
            "ratchet_connections_refused",
            "Connections refused for want of room, by kind: watcher (503), idle (closed to make "
            "room), new (closed at once, as all others were in use).",
            "kind",
            dict.fromkeys(get_args(How), 0) | self._room.refused,
        )
        yield from self._cluster(seen)

    def _cluster(self, seen: Observation) -> Iterator[Metric]:
        """What this node sees of the other nodes, and of slots that open, close and fold."""
        members = [one.member for one in seen.members]
        yield _gauge(
            "ratchet_members",
            "Members of the cluster: here (this process), connected, indirect (a peer is connected "
            "to it, this node is not), missing (nobody is connected to it).",
            "state",
            dict.fromkeys(("here", "connected", "indirect", "missing"), 0)
            | Counter(member.state for member in members),
        )
        yield _gauge(
            "ratchet_member_missing_seconds",
            "Seconds since any node was last connected to a missing member.",
            "member",
            {member.node: member.silent_s for member in members if member.state == "missing"},
        )
        yield _gauge(
            "ratchet_slots_by_state",
            "Slots: open, closed (waiting to be folded), lifting (being added to the base).",
            "state",
            dict.fromkeys(("open", "closed", "lifting"), 0)
            | Counter(slot.state for slot in seen.slots),
        )
        yield GaugeMetricFamily(
            "ratchet_lifting_rows",
            "Rows of folded slots that are still to be added to the base.",
            value=sum(slot.videos for slot in seen.slots if slot.state == "lifting"),
        )
        blocked = GaugeMetricFamily(
            "ratchet_folds_blocked",
            "1 for each name whose closed slots can't be folded although their grace is over, with "
            "the member that is in the way, and the kind of obstacle.",
            labels=["node", "member", "obstacle"],
        )
        for labels in sorted(
            {
                (fold.node, obstacle.node, obstacle.kind)
                for fold in seen.folds
                for obstacle in fold.obstacles
                if obstacle.kind != "grace"
            }
        ):
            blocked.add_metric(labels, 1)
        yield blocked
        yield _counter(
            "ratchet_notices",
            "Events that this node has logged, by kind: opened, superseded, reopened, retired, "
            "folded, forgotten (names), unseen (views that may be lost), missing, large (many "
            "names fill the digest), cut (too many).",
            "kind",
            dict.fromkeys(get_args(Kind), 0) | self._keeper.notices,
        )


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value in sorted(values):
        family.add_metric([value], values[value])
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value in sorted(values):
        family.add_metric([value], values[value])
    return family


def metrics(collector: NodeCollector) -> Blueprint:
    """The call."""
    blueprint = Blueprint("metrics")
    registry = CollectorRegistry()
    registry.register(collector)

    @blueprint.get("/metrics")
    async def scrape(_request: Request) -> HTTPResponse:
        return raw(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint
