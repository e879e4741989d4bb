"""What this node counts, how fast it commits, and how its database is."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ratchet_server.counting import files
from ratchet_server.counting.health import UNWRITABLE, Why
from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.metrics.families import counter, gauge, histogram
from ratchet_server.http.refusals import ERRORS
from ratchet_server.http.videos import Videos

# The names of the files of a database, as labels.
_FILES: Final = (("database", ""), ("wal", files.LOG))


class CountingCollector(Collector):
    """Reads the keeper, the videos and the sizes of files. `database`: the file; None in memory."""

    def __init__(self, keeper: Keeper, videos: Videos, database: Path | None) -> None:
        self._keeper = keeper
        self._videos = videos
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """The families."""
        yield from self._views()
        yield from self._commits()
        yield from self._disk()

    def _views(self) -> Iterator[Metric]:
        keeper, videos = self._keeper, self._videos
        yield CounterMetricFamily(
            "ratchet_views", "Views counted by this process.", keeper.views_counted
        )
        yield GaugeMetricFamily(
            "ratchet_views_waiting", "Views that wait for the next commit.", keeper.waiting
        )
        yield CounterMetricFamily(
            "ratchet_keys_repeated",
            "Views that were not counted again, because their key was known.",
            keeper.keys_repeated,
        )
        yield GaugeMetricFamily(
            "ratchet_keys", "Idempotency-Keys in the database.", keeper.keys_held
        )
        yield GaugeMetricFamily(
            "ratchet_videos",
            "Videos that this node counts: those of the catalogues and of --videos, or with --open "
            "those that have views.",
            len(videos),
        )
        if videos.most is not None:
            yield GaugeMetricFamily(
                "ratchet_videos_max",
                "How many videos a node with --open counts (RATCHET_MAX_VIDEOS).",
                videos.most,
            )
        yield GaugeMetricFamily(
            "ratchet_clock_in_doubt",
            "1 while this node refuses views because its clock, or another node's, is wrong.",
            keeper.clock_in_doubt,
        )

    def _commits(self) -> Iterator[Metric]:
        commits = self._keeper.commits
        yield CounterMetricFamily("ratchet_commits", "Transactions committed.", commits.count)
        yield CounterMetricFamily(
            "ratchet_commit_seconds", "Seconds spent in transactions.", commits.total_s
        )
        yield histogram(
            "ratchet_commit_duration_seconds", "How long transactions took.", [], {(): commits}
        )

    def _disk(self) -> Iterator[Metric]:
        health = self._keeper.health
        yield gauge(
            "ratchet_database_unwritable",
            "1 while the database takes nothing, and this node refuses views: because the disk is "
            "full, the file is locked, or the data is lost. 0 again once a view has counted.",
            ["error"],
            {ERRORS[why].code: float(why is health.unwritten) for why in UNWRITABLE},
        )
        yield counter(
            "ratchet_database_replacements",
            "Database files that this node has replaced: damaged (when it started), lost (while it "
            "ran).",
            ["reason"],
            dict.fromkeys(get_args(Why), 0) | health.replaced,
        )
        if self._database is None:
            return
        sizes = {}
        for name, suffix in _FILES:
            with suppress(OSError):
                sizes[name] = float(files.beside(self._database, suffix).stat().st_size)
        yield gauge(
            "ratchet_database_size_bytes",
            "The size of the database, and of its write-ahead log.",
            ["file"],
            sizes,
        )
        with suppress(OSError):
            room = os.statvfs(self._database.parent)
            yield GaugeMetricFamily(
                "ratchet_disk_free_bytes",
                "Room for the node's user on the disk with the database.",
                room.f_bavail * room.f_frsize,
            )
