"""`/metrics`: what an operator's Prometheus reads of a node."""

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ratchet.inquiries import HEARD_S
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.http.tally import NO_ROUTE, Tally

from testing import packages
from testing.metrics import families, value
from testing.nodes import HTTP, PATIENCE_S, Node, wait_until
from testing.servers.server import needed
from testing.wire import key, raw

VIEWS = "/api/videos/{video}/views"
REQUESTS = "ratchet_http_requests_total"


@pytest.fixture
def fresh(tmp_path: Path) -> Node:
    """A node whose numbers are those of one test."""
    return Node("a", tmp_path)


def more(node: Node, work: Callable[[], object], name: str, /, **labels: str) -> float:
    """By how much a sample rises while `work` is done. One that isn't there is 0."""
    before = value(node, name, **labels) or 0
    work()
    return (value(node, name, **labels) or 0) - before


class TestTheText:
    def test_is_what_promtool_recommends(self, node: Node) -> None:
        node.view("lint")
        assert node.get("/nowhere").status_code == 404
        promtool = needed(packages.PROMETHEUS).with_name("promtool")
        checked = subprocess.run(
            [promtool, "check", "metrics"],
            input=node.get("/metrics").text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")

    def test_explains_each_number_and_has_each_sample_once(self, node: Node) -> None:
        samples = []
        for family in families(node):
            assert family.documentation, family.name
            samples += [(one.name, *sorted(one.labels.items())) for one in family.samples]
        assert len(samples) == len({*samples})

    def test_names_the_program_the_node_and_its_process(self, node: Node) -> None:
        assert value(node, "ratchet_build_info", version="0.1.0") == 1
        assert value(node, "ratchet_node_info", node="a") == 1
        # These are prometheus_client's.
        assert (value(node, "process_resident_memory_bytes") or 0) > 1e6
        assert "python_info" in node.get("/metrics").text
        assert value(node, "python_gc_collections_total", generation="2") is not None


class TestResponses:
    def test_are_counted_by_route_and_status(self, node: Node) -> None:
        def views() -> None:
            for n in range(5):
                node.view(f"v{n}")

        assert more(node, views, REQUESTS, route=VIEWS, code="200") == 5
        bad = {"Idempotency-Key": "no"}
        assert (
            more(
                node,
                lambda: node.post("/api/videos/x/views", bad),
                REQUESTS,
                route=VIEWS,
                code="400",
            )
            == 1
        )
        value_of = "/api/videos/{video}"
        assert more(node, lambda: node.views("v1"), REQUESTS, route=value_of, code="200") == 1

        def head() -> object:
            return HTTP.head(f"{node.url}/api/videos/v1")

        assert more(node, head, REQUESTS, route=value_of, code="200") == 1

    def test_of_paths_that_clients_invent_are_one_series(self, node: Node) -> None:
        def invent() -> None:
            for n in range(5):
                assert node.get(f"/invented/{n}").status_code == 404

        assert more(node, invent, REQUESTS, route=NO_ROUTE, code="404") == 5
        assert "invented" not in node.get("/metrics").text

    def test_to_what_cannot_be_parsed_are_counted_too(self, node: Node) -> None:

        def garbage() -> object:
            return raw(node, b"garbage\r\n\r\n")

        assert more(node, garbage, REQUESTS, route=NO_ROUTE, code="400") == 1

    def test_that_stream_a_file_count_once(self, tmp_path: Path) -> None:
        (media := tmp_path / "media").mkdir()
        (media / "clip.webm").write_bytes(b"clip" * 100_000)
        with Node("a", tmp_path, flags=["--media", str(media)], data=":memory:") as node:
            node.start()

            def get() -> object:
                return node.get("/media/clip.webm").raise_for_status()

            labels = {"route": "/media/{name}", "code": "200"}
            assert more(node, get, REQUESTS, **labels) == 1

    def test_have_durations(self, node: Node) -> None:
        name = "ratchet_http_request_duration_seconds"

        def view() -> object:
            return node.view("timed")

        assert more(node, view, f"{name}_count", route=VIEWS) == 1
        assert more(node, view, f"{name}_bucket", route=VIEWS, le="+Inf") == 1
        assert 0 < more(node, view, f"{name}_sum", route=VIEWS) < 30

    def test_that_are_errors_are_counted_by_their_code(self, node: Node) -> None:
        name, again = "ratchet_http_errors_total", {"Idempotency-Key": key()}
        node.post("/api/videos/one/views", again).raise_for_status()

        def reuse() -> object:
            return node.post("/api/videos/two/views", again)

        assert value(node, name, error="key_reused") is not None
        assert more(node, reuse, name, error="key_reused") == 1

        def nowhere() -> object:
            return node.get("/nowhere")

        assert more(node, nowhere, name, error="not_found") == 1

    def test_are_named_by_the_route_as_the_protocol_writes_it(self) -> None:
        tally = Tally()
        tally.responded("a/<one:str>/<two:path>", 200, 0.1)
        tally.responded("", 200, 0.1)
        tally.responded(None, 404, 0.1)
        assert {*tally.by_route()} == {"/a/{one}/{two}", "/", NO_ROUTE}


class TestCommits:
    def test_are_in_a_histogram(self, fresh: Node) -> None:
        with fresh as node:
            node.start()
            node.view("x")
            count = value(node, "ratchet_commits_total")
            assert count
            assert value(node, "ratchet_commit_duration_seconds_count") == count
            assert value(node, "ratchet_commit_duration_seconds_bucket", le="+Inf") == count
            assert value(node, "ratchet_commit_duration_seconds_sum") == value(
                node, "ratchet_commit_seconds_total"
            )


class TestSizes:
    def test_are_those_of_the_memory_and_of_the_files(self, fresh: Node) -> None:
        with fresh as node:
            node.start()
            for video in ("x", "y", "y"):
                node.view(video)
            assert value(node, "ratchet_videos") == 2
            assert value(node, "ratchet_videos_max") == 1_000_000
            assert value(node, "ratchet_rows") == 2
            for name, file in (("database", DATABASE), ("wal", f"{DATABASE}-wal")):
                size = Path(node.data, file).stat().st_size
                assert value(node, "ratchet_database_size_bytes", file=name) == size
            assert (value(node, "ratchet_disk_free_bytes") or 0) > 0
            # The rows of an earlier process are those of another slot.
            node.restart()
            node.view("x")
            assert value(node, "ratchet_videos") == 2
            assert value(node, "ratchet_rows") == 3

    def test_of_a_node_that_is_not_open_are_those_of_its_list(self, tmp_path: Path) -> None:
        (listed := tmp_path / "videos").write_text("x\ny\nz\n")
        flags = ["--videos", str(listed)]
        with Node("a", tmp_path, flags=flags, data=":memory:") as node:
            node.start()
            assert value(node, "ratchet_videos") == 3
            assert value(node, "ratchet_videos_max") is None
            # There are no files.
            assert value(node, "ratchet_disk_free_bytes") is None

    def test_have_the_keys_that_are_remembered(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, environ={"RATCHET_KEY_LIFETIME": "2"}) as node:
            node.start()
            keys = [key() for _ in range(3)]
            for each in (*keys, keys[0]):
                node.post("/api/videos/x/views", {"Idempotency-Key": each}).raise_for_status()
            assert value(node, "ratchet_keys") == 3
            assert value(node, "ratchet_keys_repeated_total") == 1
            node.restart()
            assert value(node, "ratchet_keys") == 3

            def all_but_the_last_are_dropped() -> bool:
                answer = node.post("/api/videos/x/views", {"Idempotency-Key": keys[0]})
                return answer.json()["counted"] and value(node, "ratchet_keys") == 1

            # Also with a key that comes again after it has expired. A process that has just started
            # keeps all for a minute: others may still ask for them.
            wait_until(all_but_the_last_are_dropped, "keys expire", HEARD_S + PATIENCE_S)


class TestTheDatabase:
    def test_says_why_it_takes_no_views(self, fresh: Node) -> None:
        with fresh as node:
            node.start()
            node.view("x")
            name = "ratchet_database_unwritable"
            with closing(sqlite3.connect(Path(node.data, DATABASE), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                assert node.post("/api/videos/x/views").status_code == 503
                assert value(node, name, error="locked") == 1
                assert value(node, name, error="disk_full") == 0
                assert value(node, "ratchet_http_errors_total", error="locked") == 1
                other.execute("ROLLBACK")
            node.view("x")
            assert value(node, name, error="locked") == 0

    def test_says_that_its_files_were_lost(self, fresh: Node) -> None:
        with fresh as node:
            node.start()
            node.view("x")
            name = "ratchet_database_replacements_total"
            node.post("/api/videos/x/views", {"Idempotency-Key": key()}).raise_for_status()
            assert value(node, name, reason="lost") == 0
            for file in Path(node.data).glob(f"{DATABASE}*"):
                file.unlink()
            wait_until(lambda: value(node, name, reason="lost") == 1, "there is a new file")
            assert value(node, name, reason="damaged") == 0

    def test_says_that_it_was_damaged(self, fresh: Node) -> None:
        with fresh as node:
            node.start()
            node.view("x")
            node.stop()
            with closing(sqlite3.connect(Path(node.data, DATABASE))) as database:
                database.create_function("crc", -1, lambda *_: 0)
                database.execute("UPDATE rows SET views = 7")
                database.commit()
            node.start()
            name = "ratchet_database_replacements_total"
            assert value(node, name, reason="damaged") == 1
            assert value(node, name, reason="lost") == 0
