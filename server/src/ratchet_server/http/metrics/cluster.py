"""What this node sees of the other nodes, of the wires to them, and of slots."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from ratchet.members import State
from ratchet.notices import Kind
from ratchet.observation import Observation

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.metrics.families import counter, gauge
from ratchet_server.peering.registry.finder import Finder
from ratchet_server.peering.routes import Routes
from ratchet_server.peering.sightings import Sightings


class ClusterCollector(Collector):
    """Reads one observation of the replica, and what the transports report."""

    def __init__(
        self, keeper: Keeper, routes: Routes, sightings: Sightings, registries: Sequence[Finder]
    ) -> None:
        self._keeper = keeper
        self._routes = routes
        self._sightings = sightings
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        """The families."""
        seen = self._keeper.replica.observe()
        yield from _members(seen)
        yield from self._peers(seen)
        yield from self._wires()
        yield from _slots(seen)
        yield from _folds(seen)
        yield from _pending(seen)
        yield counter(
            "ratchet_notices",
            "Events that this node has logged, by kind: opened, superseded, reopened, retired, "
            "folded, forgotten (names), unseen (views that may be lost), missing, large (many "
            "names fill the digest), cut (too many).",
            ["kind"],
            dict.fromkeys(get_args(Kind), 0) | self._keeper.notices,
        )

    def _peers(self, seen: Observation) -> Iterator[Metric]:
        # Two processes may have the same name for a while, but Prometheus takes one sample for each
        # set of labels. Both may lack the same rows, so use the larger number, not the sum.
        behind, ahead, dropped = Counter[str](), Counter[str](), Counter[str]()
        for member, lacks, has in seen.members:
            if lacks is not None and has is not None:
                behind[member.node] = max(behind[member.node], lacks)
                ahead[member.node] = max(ahead[member.node], has)
        for route in self._routes.by_process().values():
            dropped[route.peer.node] += route.dropped
        yield gauge(
            "ratchet_peer_behind_rows", "Changes that a connected peer lacks.", ["peer"], behind
        )
        yield gauge(
            "ratchet_peer_ahead_rows",
            "Changes that a connected peer has and this node lacks.",
            ["peer"],
            ahead,
        )
        yield counter(
            "ratchet_peer_frames_dropped",
            "Frames not sent because too many waited for a slow peer.",
            ["peer"],
            dropped,
        )

    def _wires(self) -> Iterator[Metric]:
        sightings = self._sightings
        yield GaugeMetricFamily(
            "ratchet_strangers",
            "Nodes of other clusters that this node has met in the last 10 s, and refuses.",
            len(sightings.strangers()),
        )
        yield GaugeMetricFamily(
            "ratchet_peers_misunderstood",
            "Peers that have sent in the last 30 s what can't be true by this node's clock, or "
            "that say so of this node.",
            len(sightings.misunderstood()),
        )
        yield GaugeMetricFamily(
            "ratchet_peers_refusing",
            "Addresses whose last response was a refusal: another secret, for instance.",
            sightings.refusing(),
        )
        yield gauge(
            "ratchet_bus_up",
            "1 while this node hears its own messages on a bus.",
            ["bus"],
            {bus.name: float(bus.trouble is None) for bus in sightings.buses()},
        )
        yield gauge(
            "ratchet_registry_up",
            "1 while a registry does what this node asks.",
            ["registry"],
            {one.name: float(one.trouble is None) for one in self._registries},
        )


def _members(seen: Observation) -> Iterator[Metric]:
    members = [one.member for one in seen.members]
    yield gauge(
        "ratchet_members",
        "Members of the cluster: here (this process), connected, indirect (a peer is connected "
        "to it, this node is not), missing (nobody is connected to it), importing (no process, but "
        "an import that has not ended).",
        ["state"],
        dict.fromkeys(get_args(State), 0) | Counter(member.state for member in members),
    )
    yield gauge(
        "ratchet_member_missing_seconds",
        "Seconds since any node was last connected to a missing member.",
        ["member"],
        {member.node: member.silent_s for member in members if member.state == "missing"},
    )
    yield GaugeMetricFamily(
        "ratchet_names", "Names of nodes that this node lists.", len(seen.newest.names())
    )
    yield GaugeMetricFamily(
        "ratchet_digest_fill_ratio",
        "How much of the largest digest the names and slots fill. Above 1, names are left out, and "
        "a new node can't get all counts.",
        seen.digest_fill,
    )


def _slots(seen: Observation) -> Iterator[Metric]:
    states: Counter[str] = Counter(slot.state for slot in seen.slots)
    yield GaugeMetricFamily(
        "ratchet_slots", "Slots that are not folded.", states["open"] + states["closed"]
    )
    yield gauge(
        "ratchet_slots_by_state",
        "Slots: open, closed (waiting to be folded), lifting (being added to the base).",
        ["state"],
        dict.fromkeys(("open", "closed", "lifting"), 0) | states,
    )
    yield GaugeMetricFamily(
        "ratchet_rows",
        "Rows in memory and in the database: one for each video of each slot, and of the base.",
        sum(slot.videos for slot in seen.slots) + seen.base_videos,
    )
    yield GaugeMetricFamily(
        "ratchet_base_videos", "Videos with views in folded slots.", seen.base_videos
    )
    yield GaugeMetricFamily(
        "ratchet_lifting_rows",
        "Rows of folded slots that are still to be added to the base.",
        sum(slot.videos for slot in seen.slots if slot.state == "lifting"),
    )


def _folds(seen: Observation) -> Iterator[Metric]:
    yield gauge(
        "ratchet_folds_blocked",
        "1 for each name whose closed slots can't be folded although their grace is over, with "
        "the member that is in the way, and the kind of obstacle.",
        ["node", "member", "obstacle"],
        {
            (fold.node, obstacle.node, obstacle.kind): 1.0
            for fold in seen.folds
            for obstacle in fold.obstacles
            if obstacle.kind != "grace"
        },
    )


def _pending(seen: Observation) -> Iterator[Metric]:
    views, since_ms, _, _ = seen.pending
    yield GaugeMetricFamily(
        "ratchet_views_pending",
        "Retried views on this node's disk that count once the other nodes have said that they "
        "have not counted them.",
        views,
    )
    yield GaugeMetricFamily(
        "ratchet_views_pending_seconds",
        "For how long the oldest of them has been pending; 0 if there is none.",
        0.0 if since_ms is None else max(0.0, time.time() - since_ms / 1000),
    )
