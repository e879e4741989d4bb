"""Whether this node serves, what it responds, and how many connections it has."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ratchet_server.counting.life import Life
from ratchet_server.http.metrics.families import counter, histogram
from ratchet_server.http.room import How, Room
from ratchet_server.http.tally import Tally
from ratchet_server.http.watchers import Watchers


class ServingCollector(Collector):
    """Reads the parts that know connections and responses."""

    def __init__(self, life: Life, watchers: Watchers, room: Room, tally: Tally) -> None:
        self._life = life
        self._watchers = watchers
        self._room = room
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        """The families."""
        yield GaugeMetricFamily(
            "ratchet_ready", "1 while this node serves reads.", self._life.serves_reads
        )
        yield from self._responses()
        yield from self._connections()

    def _responses(self) -> Iterator[Metric]:
        tally = self._tally
        yield counter(
            "ratchet_http_requests",
            "Requests that this node has responded to, by the route's pattern and the status.",
            ["route", "code"],
            tally.by_route_and_status(),
        )
        yield histogram(
            "ratchet_http_request_duration_seconds",
            "The time from the head of a request to the head of its response.",
            ["route"],
            {(route,): durations for route, durations in tally.by_route().items()},
        )
        yield counter(
            "ratchet_http_errors",
            "Error responses, by the code in their body. Those that refuse a view are there from "
            "the start.",
            ["error"],
            tally.errors,
        )

    def _connections(self) -> Iterator[Metric]:
        room = self._room
        yield GaugeMetricFamily(
            "ratchet_watchers", "Open websockets and event streams.", len(self._watchers)
        )
        yield GaugeMetricFamily(
            "ratchet_watchers_max",
            "How many may be open, by the limit of open files.",
            room.watchers_max,
        )
        yield GaugeMetricFamily(
            "ratchet_connections_max",
            "How many connections clients may have open, by the same limit.",
            room.connections_max,
        )
        yield counter(
            "ratchet_connections_refused",
            "Connections refused for want of room, by kind: watcher (503), idle (closed to make "
            "room), new (closed at once, as all others were in use).",
            ["kind"],
            dict.fromkeys(get_args(How), 0) | room.refused,
        )
