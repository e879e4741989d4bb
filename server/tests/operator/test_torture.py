"""`ratchet torture` with real nodes: right where they count right, red where something lies."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ratchet_server.cli import main
from ratchet_server.operator.torture import command, history
from ratchet_server.operator.torture.history import Attempt
from ratchet_server.operator.torture.judge import judge

from testing.disk import no_file_larger_than
from testing.liar import Lie, Seen, lying
from testing.nodes import Node, cluster, wait_until

# Enough for all that a liar does; on two cores, more would only wait.
QUICK = ("--seconds", "1", "--rate", "100")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Two nodes, which stay up."""
    with cluster(tmp_path_factory.mktemp("two"), "ab") as nodes:
        yield list(nodes.values())


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't wait long for what a liar has lost."""
    monkeypatch.setattr(command, "PATIENCE_S", 1.5)


def torture(*arguments: str) -> int:
    """Run it, and return its exit code."""
    return main(["torture", *arguments, *QUICK])


class TestACluster:
    def test_that_counts_right_is_called_right(
        self, two: list[Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "history.jsonl"
        assert torture(*(node.url for node in two), "--history", str(file)) == 0
        shown = capsys.readouterr().out
        assert "Right: each view counts once" in shown
        events = history.read(file)
        verdict = judge(events)
        assert verdict.answered == verdict.final > 10
        assert {event.to for event in events if isinstance(event, Attempt)} == {
            node.url for node in two
        }

    def test_may_have_counted_its_videos_before(self, two: list[Node]) -> None:
        for _ in range(3):
            two[0].view("tide")
        assert torture(two[0].url, two[1].url, "--video", "tide", "--retry-same-node") == 0

    def test_that_has_lost_a_merge_is_red(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Two nodes that never hear of each other."""
        with Node("a", tmp_path) as a, Node("b", tmp_path) as b:
            a.spawn()
            b.spawn().wait_for_log("ready: ")
            a.wait_for_log("ready: ")
            assert torture(a.url, b.url) == 1
        assert "the nodes show different numbers" in capsys.readouterr().out

    @pytest.mark.parametrize(("lie", "word"), [("double", "more than the"), ("early", "are lost")])
    def test_is_red_behind_a_liar(
        self, two: list[Node], lie: Lie, word: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with lying(two[0], lie) as url:
            assert torture(url, "--retry-same-node") == 1
        assert word in capsys.readouterr().out

    def test_that_forgets_keys_early_is_red_and_hears_which_attempts_are_retries(
        self, two: list[Node], capsys: pytest.CaptureFixture[str]
    ) -> None:
        seen: list[Seen] = []
        with lying(two[0], "forget", seen=seen) as url:
            assert torture(url, "--retry-same-node") == 1
        assert "more than the" in capsys.readouterr().out
        attempts: dict[str, list[str | None]] = {}
        for key, attempt in seen:
            attempts.setdefault(key, []).append(attempt)
        assert {tuple(one[:2]) for one in attempts.values()} == {(None,), (None, "2")}

    def test_that_knows_only_its_own_videos_must_be_told_which(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Node("a", tmp_path, flags=()) as a:
            assert torture(a.start().url) == 1
        assert "Name videos that it counts: --video ID" in capsys.readouterr().err

    def test_that_refuses_all_views_proves_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "history.jsonl"
        with Node("a", tmp_path) as a:
            a.start()
            with no_file_larger_than(1, a.pid):
                assert torture(a.url, "--history", str(file)) == 1
        assert "nothing is proven" in capsys.readouterr().err
        attempts = [event for event in history.read(file) if isinstance(event, Attempt)]
        assert {attempt.fate for attempt in attempts} == {"refused"}

    def test_of_which_a_url_does_not_answer_gets_no_view(
        self, two: list[Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "history.jsonl"
        assert torture(two[0].url, Node("c", tmp_path).url, "--history", str(file)) == 1
        assert "does a node run there?" in capsys.readouterr().err
        assert not [event for event in history.read(file) if isinstance(event, Attempt)]

    def test_of_which_a_node_is_down_in_the_end_gets_no_verdict(
        self, two: list[Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Node("c", tmp_path, peers=[two[0].url]) as c:
            c.start()

            def kill() -> None:
                wait_until(lambda: c.views("ebb"), "a view")
                c.kill9()

            with ThreadPoolExecutor(1) as pool:
                killed = pool.submit(kill)
                assert torture(two[0].url, c.url, "--video", "ebb") == 1
                killed.result()
        assert "no verdict, because in the end each URL must answer" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--rate", "0"), ("--seconds", "x"), ("--video", "no/id")])
def test_bad_arguments_are_usage_errors(wrong: tuple[str, str]) -> None:
    try:
        code = main(["torture", "http://127.0.0.1:1", *wrong])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
