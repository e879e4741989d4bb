"""What operators see of the cluster: `/api/cluster`, `ratchet status` and the metrics."""

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from ratchet_server.cli import main

from testing.nodes import HOST, Node, cluster, connected, equal, free_port, wait_until
from testing.responder import responding
from testing.wire import answers as responds
from testing.wire import key

# Closed slots wait for a second before they are folded, not for an hour.
SOON = {"RATCHET_FOLD_GRACE": "1"}


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Three nodes; each test leaves them running and connected."""
    with cluster(tmp_path_factory.mktemp("view"), environ=SOON) as nodes:
        yield nodes


@pytest.fixture(autouse=True)
def settled(request: pytest.FixtureRequest) -> None:
    """Every node has all that earlier tests counted, and has folded the slots that they closed."""
    if "trio" in request.fixturenames:
        nodes = request.getfixturevalue("trio").values()
        wait_until(lambda: connected(nodes) and equal(nodes), "all have the same")
        wait_until(
            lambda: all(len(seen(node)["slots"]) == len(nodes) for node in nodes), "all is folded"
        )


def seen(node: Node) -> dict[str, Any]:
    """The cluster as `node` sees it."""
    answer = node.get("/api/cluster")
    assert answer.status_code == 200, answer.text
    state = answer.json()
    assert isinstance(state, dict)
    return state


def member(node: Node, name: str) -> dict[str, Any]:
    """How `node` sees the member `name`."""
    [one] = [one for one in seen(node)["members"] if one["node"] == name]
    return dict(one)


def metrics(node: Node) -> dict[str, float]:
    """The samples of `/metrics`, by name and labels."""
    lines = node.get("/metrics").text.splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    assert len({name for name, _, _ in samples}) == len(samples), "a sample is there twice"
    return {name: float(value) for name, _, value in samples}


def by_report(state: dict[str, Any]) -> dict[str, float]:
    """The samples that say the same as a report."""
    members = Counter(one["state"] for one in state["members"])
    slots = Counter(one["state"] for one in state["slots"])
    samples: dict[str, float] = {
        "ratchet_slots": slots["open"] + slots["closed"],
        "ratchet_base_videos": state["base"]["videos"],
    }
    for name in ("here", "connected", "indirect", "missing", "importing"):
        samples[f'ratchet_members{{state="{name}"}}'] = members[name]
    for name in ("open", "closed", "lifting"):
        samples[f'ratchet_slots_by_state{{state="{name}"}}'] = slots[name]
    for fold in state["folds"]:
        for one in fold["obstacles"]:
            if one["kind"] != "grace":
                labels = f'member="{one["node"]}",node="{fold["node"]}",obstacle="{one["kind"]}"'
                samples[f"ratchet_folds_blocked{{{labels}}}"] = 1
    for one in state["nodes"]:
        if one["state"] == "connected":
            samples[f'ratchet_peer_behind_rows{{peer="{one["node"]}"}}'] = one["lacks"]
    return samples


def agree(node: Node) -> bool:
    """Whether the metrics say the same as the report. False if the report changed meanwhile."""
    before = by_report(seen(node))
    scraped = metrics(node)
    if by_report(seen(node)) != before:
        return False
    families = {name.partition("{")[0] for name in before}
    families |= {"ratchet_folds_blocked", "ratchet_peer_behind_rows"}
    assert {n: v for n, v in scraped.items() if n.partition("{")[0] in families} == before
    return True


def all_count(nodes: dict[str, Node]) -> bool:
    """Whether each node knows the slot of each other: without a slot, no node can be missing."""
    return all(one["slot"] for node in nodes.values() for one in seen(node)["members"])


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The output of `ratchet` with these arguments."""
    assert main(arguments) == 0
    return capsys.readouterr().out


class TestWhenAllIsWell:
    def test_all_members_are_there_and_nothing_is_advised(self, trio: dict[str, Node]) -> None:
        wait_until(lambda: all_count(trio), "all know each other's slots")
        state = seen(trio["a"])
        assert (state["node"], state["state"]) == ("a", "serving")
        assert state["slot"] == trio["a"].slot
        assert [(m["node"], m["state"], m["url"], m["slot"]) for m in state["members"]] == [
            ("a", "here", trio["a"].url, trio["a"].slot),
            ("b", "connected", trio["b"].url, trio["b"].slot),
            ("c", "connected", trio["c"].url, trio["c"].slot),
        ]
        assert (state["folds"], state["advice"]) == ([], [])

    def test_each_slot_has_its_counts_and_the_nodes_that_hold_it(
        self, trio: dict[str, Node]
    ) -> None:
        for number in range(5):
            trio["b"].view(f"slots-{number % 2}")

        def everywhere() -> bool:
            [slot] = [one for one in seen(trio["a"])["slots"] if one["slot"] == trio["b"].slot]
            assert (slot["state"], slot["since"]) == ("open", None)
            counted = (slot["videos"], slot["views"], slot["upto"]) == (2, 5, 5)
            return counted and slot["held"] == dict.fromkeys(trio, 5)

        wait_until(everywhere, "all have the five rows of b on disk")

    def test_status_says_that_all_is_well(
        self, trio: dict[str, Node], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert output(capsys, "status", trio["a"].url).startswith("3 nodes; all is well.\n")
        state = json.loads(output(capsys, "status", "--json", trio["a"].url))
        assert [one["node"] for one in state["members"]] == ["a", "b", "c"]


class TestWhenSomethingIsWrong:
    def test_a_paused_node_is_behind_by_the_rows_that_it_lacks(self, trio: dict[str, Node]) -> None:
        assert member(trio["a"], "c")["behind"] == 0
        trio["c"].pause()
        try:
            for _ in range(5):
                trio["a"].view("paused")
            assert member(trio["a"], "c")["behind"] == 5
            assert metrics(trio["a"])['ratchet_peer_behind_rows{peer="c"}'] == 5
        finally:
            trio["c"].resume()
        wait_until(lambda: member(trio["a"], "c")["behind"] == 0, "c has caught up")

    def test_a_missing_node_is_named_with_what_to_do(
        self, trio: dict[str, Node], capsys: pytest.CaptureFixture[str]
    ) -> None:
        a, c = trio["a"], trio["c"]
        wait_until(lambda: all_count(trio), "all count")
        c.kill9()
        try:
            wait_until(lambda: member(a, "c")["state"] == "missing", "a misses c")
            state = seen(a)
            [gone] = [one for one in state["members"] if one["node"] == "c"]
            assert (gone["process"], gone["behind"], gone["ahead"]) == (None, None, None)
            # Its last URL is still known.
            assert gone["url"] == c.url
            assert 0 <= state["time"] - gone["since"] < 30
            [advice] = state["advice"]
            assert advice.startswith("c has been missing for ")
            assert advice.endswith(f": ratchet retire c --via {a.url}")
            assert "missing for" in output(capsys, "status", a.url)
            samples = metrics(a)
            assert samples['ratchet_members{state="missing"}'] == 1
            assert samples['ratchet_members{state="connected"}'] == 1
            assert samples['ratchet_member_missing_seconds{member="c"}'] >= 0
        finally:
            c.start()
        wait_until(lambda: not seen(a)["advice"], "c is connected to a again")
        assert 'ratchet_member_missing_seconds{member="c"}' not in metrics(a)

    def test_a_node_without_peers_advises_to_retire_no_node(self, tmp_path: Path) -> None:
        with cluster(tmp_path) as nodes:
            wait_until(lambda: all_count(nodes), "all count")
            nodes["b"].kill9()
            nodes["c"].kill9()
            wait_until(lambda: len(seen(nodes["a"])["advice"]) == 3, "a misses both")
            assert "ratchet retire" not in " ".join(seen(nodes["a"])["advice"])

    def test_an_address_where_no_node_has_ever_answered_is_named(self, tmp_path: Path) -> None:
        with socket.create_server((HOST, 0)) as closed:
            peer = f"http://{HOST}:{closed.getsockname()[1]}"
        with (
            responding(503) as unready,
            Node("a", tmp_path, peers=[peer, unready], data=":memory:") as node,
        ):
            node.spawn()
            wait_until(lambda: responds(node), "it listens")
            # A peer that starts may need that long, too.
            assert seen(node)["headline"]["text"] == "1 node; no answer yet from 2 peers."
            wait_until(lambda: seen(node)["advice"], "it has tried for long enough")
            refuses, nobody = seen(node)["advice"]
            assert nobody.startswith(f"Nobody has ever answered a at {peer}.")
            assert refuses.startswith(f"The node at {unready} is not ready (503).")


class TestAPendingView:
    def test_is_shown_until_the_node_that_may_have_counted_it_is_back(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with cluster(tmp_path) as nodes:
            a, b, c = nodes.values()
            wait_until(lambda: all_count(nodes), "all count")
            # A node whose name is new asks the others about each key for some seconds.
            wait_until(lambda: view(c, key()) is True, "c counts at once")
            wait_until(lambda: equal(nodes.values()), "all have the same")
            before, counted, fresh = a.views("tide"), key(), key()
            assert view(c, counted) is True
            wait_until(lambda: a.views("tide") == before + 1, "it has spread")
            c.pause()
            try:
                assert view(a, counted, attempt=2) == "pending"
                assert view(a, fresh, attempt=2) == "pending"
                pending = seen(a)["pending"]
                assert (pending["views"], pending["awaited"]) == (2, {"c": 2})
                assert 0 <= seen(a)["time"] - pending["since"] < 60
                assert pending["how"]["text"].endswith(
                    ": c has not said whether it has counted them."
                )
                text = " ".join(output(capsys, "status", a.url).split())
                assert f"PENDING VIEWS {pending['how']['text'][:20]}" in text
                assert "c has not said whether it has counted them." in text
                samples = metrics(a)
                assert samples["ratchet_views_pending"] == 2
                assert 0 < samples["ratchet_views_pending_seconds"] < 60
                assert metrics(b)["ratchet_views_pending"] == 0
                assert a.views("tide") == before + 1
            finally:
                c.resume()
            wait_until(lambda: seen(a)["pending"]["views"] == 0, "c has answered")
            wait_until(lambda: equal(nodes.values()), "all have the same")
            assert {node.views("tide") for node in nodes.values()} == {before + 2}
            assert seen(a)["pending"]["since"] is None
            assert metrics(a)["ratchet_views_pending_seconds"] == 0
            assert "PENDING VIEWS" not in output(capsys, "status", a.url)


def view(node: Node, key: str, attempt: int = 1) -> object:
    """Send a view with a key. Returns what the answer says of it."""
    headers = {"Idempotency-Key": key, "Ratchet-Attempt": str(attempt)}
    answer = node.post("/api/videos/tide/views", headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["counted"]


class TestWhatBlocksAFold:
    def test_is_named_until_it_is_retired(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with cluster(tmp_path, environ=SOON) as nodes:
            a, b, c = nodes.values()
            for node in nodes.values():
                node.view("x")
            wait_until(lambda: equal(nodes.values()) and all_count(nodes), "all have the same")
            c.kill9()
            b.restart()

            def obstacles() -> list[tuple[str, str, str]]:
                return [
                    (fold["node"], one["kind"], one["node"])
                    for fold in seen(a)["folds"]
                    for one in fold["obstacles"]
                ]

            wait_until(lambda: obstacles() == [("b", "missing", "c")], "only c is in the way")
            [fold] = seen(a)["folds"]
            assert fold["slots"] == 1
            assert fold["obstacles"][0]["text"].startswith("c has been missing for ")
            [closed] = [slot for slot in seen(a)["slots"] if slot["state"] == "closed"]
            assert closed["slot"] == f"b@{fold['generation']}"
            assert closed["since"] < seen(a)["time"]
            assert agree(a)
            labels = 'member="c",node="b",obstacle="missing"'
            assert metrics(a)[f"ratchet_folds_blocked{{{labels}}}"] == 1
            assert metrics(a)['ratchet_slots_by_state{state="closed"}'] == 1
            assert metrics(a)['ratchet_slots_by_state{state="open"}'] == 3
            text = output(capsys, "status", a.url)
            assert "no closed slots of b can be folded" in text

            text = output(capsys, "retire", "c", "--check", "--via", a.url)
            assert "(Not done.)" in text
            assert "a and b" in text
            assert obstacles() == [("b", "missing", "c")]
            output(capsys, "retire", "c", "--via", a.url)
            wait_until(lambda: len(seen(a)["slots"]) == 2, "both are folded")
            state = seen(a)
            assert [(one["node"], one["views"]) for one in state["folded"]] == [("b", 1), ("c", 1)]
            assert (state["base"]["videos"], state["base"]["views"]) == (1, 2)
            assert [one["node"] for one in state["members"]] == ["a", "b"]
            assert (state["folds"], state["advice"]) == ([], [])
            assert a.views("x") == 3
            samples = metrics(a)
            assert samples['ratchet_notices_total{kind="retired"}'] == 1
            assert samples['ratchet_slots_by_state{state="closed"}'] == 0
            assert samples["ratchet_lifting_rows"] == 0


class TestANodeThatStarts:
    def test_shows_the_cluster_already(self, tmp_path: Path) -> None:
        # This peer accepts connections and sends nothing, so the node waits for it.
        with socket.create_server((HOST, 0)) as silent:
            peer = f"http://{HOST}:{silent.getsockname()[1]}"
            environ = {"RATCHET_JOIN_TIMEOUT": "60"}
            with Node("a", tmp_path, peers=[peer], environ=environ) as node:
                node.spawn()
                wait_until(lambda: answers(node, "/healthz"), "the node responds")
                assert node.get("/api/videos/x").status_code == 503
                assert seen(node)["state"] == "starting"
                page = node.get("/cluster")
                assert page.status_code == 200 or page.json()["error"] == "no_page"

    def test_advises_with_the_url_at_which_the_client_reached_it(self, tmp_path: Path) -> None:
        any_host = {"RATCHET_ALLOWED_HOSTS": "*"}

        def elsewhere(node: Node) -> str:
            return f"http://{node.name}.invalid:1"

        with cluster(tmp_path, advertise=elsewhere, environ=any_host) as nodes:
            wait_until(lambda: all_count(nodes), "all count")
            nodes["c"].kill9()
            wait_until(lambda: member(nodes["a"], "c")["state"] == "missing", "a misses c")
            [advice] = seen(nodes["a"])["advice"]
            assert advice.endswith(f"--via {nodes['a'].url}")
            # People paste the advice into a shell, so only a valid Host may get into it.
            for host in ("", "a b", "$(reboot)", "x:1/;reboot", "a" * 300 + ":1"):
                answer = nodes["a"].get("/api/cluster", {"Host": host})
                if answer.status_code == 200:
                    [advice] = answer.json()["advice"]
                    assert re.search(r"--via http://a\.invalid:1$", advice), advice


def answers(node: Node, path: str) -> bool:
    """Whether the node responds at `path` already, and with 200."""
    with suppress(httpx.TransportError):
        return node.get(path).status_code == 200
    assert node.running, node.log
    return False


class TestTheMetrics:
    def test_agree_with_the_report_on_members_slots_and_folds(self, trio: dict[str, Node]) -> None:
        wait_until(lambda: all(agree(node) for node in trio.values()), "nothing changes meanwhile")

    def test_agree_with_the_report_on_a_node_that_only_a_peer_reaches(self, tmp_path: Path) -> None:
        apart = {"RATCHET_DISCOVER": "no"}
        with (
            Node("b", tmp_path) as b,
            Node("a", tmp_path, peers=[b.url], environ=apart) as a,
            Node("c", tmp_path, peers=[b.url], environ=apart) as c,
        ):
            for node in (b, a, c):
                node.start()
            wait_until(lambda: len(seen(a)["members"]) == 3, "a knows of c")
            assert member(a, "c")["state"] == "indirect"
            assert metrics(a)['ratchet_members{state="indirect"}'] == 1
            wait_until(lambda: agree(a), "nothing changes meanwhile")


def test_no_metric_has_been_removed(trio: dict[str, Node]) -> None:
    samples = metrics(trio["a"])
    for name in (
        "ratchet_views_total",
        "ratchet_keys_repeated_total",
        "ratchet_commits_total",
        "ratchet_commit_seconds_total",
        "ratchet_ready",
        "ratchet_watchers",
        "ratchet_slots",
        "ratchet_base_videos",
        'ratchet_peer_behind_rows{peer="b"}',
        'ratchet_peer_frames_dropped_total{peer="b"}',
    ):
        assert name in samples


def test_status_says_that_no_node_responds(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, 0)) as closed:
        url = f"http://{HOST}:{closed.getsockname()[1]}"
    assert main(["status", url]) == 1
    assert "does a node run there?" in capsys.readouterr().err


class TestAPeerThatDoesNotTalkToUs:
    """Status must not say that all is well; `--check` is for monitors, which read exit codes."""

    def test_because_it_refuses_us_is_named_with_what_mends_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with (
            Node("b", tmp_path, environ={"RATCHET_SECRET": "right-right-right"}) as b,
            Node(
                "a", tmp_path, peers=[b.url], environ={"RATCHET_SECRET": "wrong-wrong-wrong"}
            ) as a,
        ):
            b.start()
            a.start()
            a.wait_for_log("refused us: 401")
            assert main(["status", "--check", a.url]) == 1
            printed = " ".join(capsys.readouterr().out.split())
            assert "all is well" not in printed
            assert f"A node at {b.url} refuses a (401)" in printed
            assert "the same secret" in printed
            # And once it does not, no more.
            a.environ = b.environ
            a.restart()
            wait_until(lambda: connected([a, b]), "they are connected")
            assert main(["status", "--check", a.url]) == 0
            assert "all is well" in capsys.readouterr().out

    def test_because_nobody_is_there_is_waited_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        nowhere = f"http://{HOST}:{free_port()}"
        with Node("a", tmp_path, peers=[nowhere], data=":memory:") as a:
            a.spawn()
            wait_until(lambda: responds(a), "it listens")
            assert main(["status", "--check", a.url]) == 1
            assert "1 node; no answer yet from 1 peer." in capsys.readouterr().out

    def test_because_it_has_died_is_no_success_of_a_check(self, tmp_path: Path) -> None:
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes.values()
            wait_until(lambda: all_count(nodes), "both count")
            assert main(["status", "--check", a.url]) == 0
            b.kill9()
            wait_until(lambda: member(a, "b")["state"] == "missing", "b is missing")
            assert main(["status", "--check", "--json", a.url]) == 1
            # To have shown it is what the command is for.
            assert main(["status", a.url]) == 0
