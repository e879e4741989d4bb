"""The demo's control: what a click can do to a node, and which pages may send it."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Client
from ratchet_server.demo.links import Links
from ratchet_server.demo.machine import HOST
from ratchet_server.demo.playground import Playground

from testing.accepting import answering
from testing.demo import Demo, running_demo
from testing.nodes import HTTP, wait_until

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all tests of this file that don't end it."""
    with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
def demo(shared: Demo) -> Demo:
    """A demo whose nodes all run and are connected. A test may leave it in any state."""
    shared.mend()
    return shared


class TestCutting:
    def test_a_cut_node_receives_no_view_until_it_is_healed(self, demo: Demo) -> None:
        before = demo.view("a", "tide")
        wait_until(lambda: demo.views("c", "tide") == before, "c has the view")
        answer = demo.act("c", "cut")
        assert answer.status_code == 200
        assert [one["cut"] for one in answer.json()["nodes"]] == [False, False, True]
        # The cut takes effect at once, and not only after a time-out.
        wait_until(lambda: not demo.connected_to("c"), "c is connected to no node")
        demo.view("a", "tide")
        wait_until(lambda: demo.views("b", "tide") == before + 1, "b has the view")
        assert demo.views("c", "tide") == before
        assert demo.act("c", "heal").json()["nodes"][2]["cut"] is False
        wait_until(lambda: demo.views("c", "tide") == before + 1, "c has the view")

    def test_a_cut_node_counts_and_is_reached_by_browsers(self, demo: Demo) -> None:
        demo.act("c", "cut")
        before = demo.views("a", "loom") or 0
        assert demo.view("c", "loom") == before + 1

        def at_c() -> bool:
            answer = HTTP.get(f"{demo.page}/api/videos/loom?node=c")
            return (answer.headers["X-Ratchet-Node"], answer.json()["views"]) == ("c", before + 1)

        # On a busy machine, c may miss one of the balancer's checks. So wait.
        wait_until(at_c, "the balancer sends a request for c to c")
        assert demo.views("a", "loom") == before
        demo.act("c", "heal")
        wait_until(lambda: demo.views("a", "loom") == before + 1, "a has the view")

    def test_two_cut_nodes_are_not_connected_until_both_are_healed(self, demo: Demo) -> None:
        demo.act("b", "cut")
        demo.act("c", "cut")
        wait_until(lambda: not any(map(demo.connected_to, "abc")), "no node is connected")
        demo.act("b", "heal")
        wait_until(lambda: demo.connected_to("a") == {"b"}, "a and b are connected")
        assert demo.connected_to("c") == set()
        demo.act("c", "heal")
        wait_until(lambda: demo.connected_to("c") == {"a", "b"}, "all are connected")

    def test_a_second_cut_or_heal_changes_nothing(self, demo: Demo) -> None:
        for action in ("cut", "cut", "heal", "heal"):
            assert demo.act("b", action).status_code == 200

    def test_the_cluster_is_seen_from_a_node_that_sees_it(self, demo: Demo) -> None:
        demo.act("a", "cut")
        wait_until(lambda: demo.state()["seen_from"] == "b", "it is seen from b")
        assert demo.state()["cluster"]["node"] == "b"


class TestProcesses:
    def test_kill_and_start(self, demo: Demo) -> None:
        pids = demo.children()
        counted = demo.view("c", "tide")
        killed = demo.act("c", "kill")
        assert killed.status_code == 200
        assert demo.node("c") == killed.json()["nodes"][2]
        assert demo.node("c") == {
            "name": "c", "url": demo.url("c"), "running": False, "ready": False, "cut": False
        }  # fmt: skip
        assert len(pids.keys() - demo.children()) == 1
        demo.wait_for("was killed by SIGKILL")
        assert demo.node("a")["ready"]
        started = demo.act("c", "start")
        assert started.json()["nodes"][2]["running"]
        wait_until(lambda: demo.node("c")["ready"], "c is ready")
        assert demo.views("c", "tide") == counted

    def test_a_node_that_was_killed_from_outside_can_be_started(self, demo: Demo) -> None:
        pid = next(pid for pid, command in demo.children().items() if "--name b" in command)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not demo.node("b")["running"], "the demo has seen its death")
        assert demo.act("b", "start").status_code == 200
        wait_until(lambda: demo.node("b")["ready"], "b is ready")

    @pytest.mark.parametrize("action", ["drain", "leave"])
    def test_a_node_ends_after_drain_and_leave(self, demo: Demo, action: str) -> None:
        assert demo.act("c", action).status_code == 200
        wait_until(lambda: not demo.node("c")["running"], "c is gone")
        left = {"a", "b"} if action == "leave" else {"a", "b", "c"}
        wait_until(lambda: demo.members() == left, "the others know")

    def test_a_killed_node_is_retired_at_once(self, demo: Demo) -> None:
        demo.act("c", "kill")
        # The others may still believe that it is alive.
        answer = demo.act("c", "retire")
        assert answer.status_code == 200, answer.text
        slots = demo.state()["cluster"]["slots"]
        assert {one["state"] for one in slots if one["slot"].startswith("c@")} <= {"closed"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("node", "action", "status", "code"),
        [
            ("zz", "kill", 404, "unknown_node"),
            ("..", "kill", 404, "unknown_node"),
            ("a%00", "kill", 404, "unknown_node"),
            ("a", "explode", 404, "unknown_action"),
            ("a", "carry_out", 404, "unknown_action"),
            ("a", "start", 409, "running"),
            ("a", "retire", 409, "running"),
        ],
    )
    def test_an_action_that_makes_no_sense(
        self, demo: Demo, node: str, action: str, status: int, code: str
    ) -> None:
        answer = demo.act(node.replace("..", "%2e%2e"), action)
        assert (answer.status_code, answer.json()["error"]) == (status, code)
        assert set(answer.json()) == {"error", "message"}

    @pytest.mark.parametrize("action", ["kill", "drain", "leave"])
    def test_an_action_on_a_node_that_doesn_t_run(self, demo: Demo, action: str) -> None:
        demo.act("c", "kill")
        answer = demo.act("c", action)
        assert (answer.status_code, answer.json()["error"]) == (409, "not_running")

    def test_without_a_running_node_nothing_can_be_retired(self, demo: Demo) -> None:
        for name in "abc":
            demo.act(name, "kill")
        answer = demo.act("c", "retire")
        assert (answer.status_code, answer.json()["error"]) == (409, "nobody_runs")
        assert demo.state()["cluster"] is None
        assert demo.state()["seen_from"] is None


class TestOrigins:
    def names(self, demo: Demo) -> list[str]:
        """The origins of the demo's pages."""
        ports = [demo.page.rpartition(":")[2], *map(str, demo.ports.values())]
        return [f"http://{name}:{port}" for name in (HOST, "localhost") for port in ports]

    def test_pages_of_the_demo(self, demo: Demo) -> None:
        for origin in self.names(demo):
            answer = HTTP.post(f"{demo.control}/nodes/a/heal", headers={"Origin": origin, **JSON})
            assert answer.status_code == 200
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert "Origin" in answer.headers["Vary"]
            preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            allowed = HTTP.options(f"{demo.control}/nodes/a/heal", headers=preflight)
            assert allowed.is_success
            assert allowed.headers["Access-Control-Allow-Origin"] == origin
            assert allowed.headers["Access-Control-Allow-Headers"].lower() == "content-type"

    @pytest.mark.parametrize(
        "origin",
        [
            "null",
            "",
            "*",
            "https://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:1",
            "https://{page}",
            "http://{page}.evil.example",
            "http://{page}/",
            "HTTP://{page}",
            "http://evil@{page}",
            "http://{page} http://evil.example",
            "{control}",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
    def test_no_other_origin(self, demo: Demo, origin: str, method: str) -> None:
        page, control = demo.page.removeprefix("http://"), demo.control
        sent = origin.replace("{page}", page).replace("{control}", control)
        headers = {"Origin": sent, "Access-Control-Request-Method": "POST", **JSON}
        path = "/state" if method == "GET" else "/nodes/c/cut"
        answer = HTTP.request(method, demo.control + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert not demo.node("c")["cut"]

    def test_two_origins_are_refused(self, demo: Demo) -> None:
        headers = [("Origin", demo.page), ("Origin", "https://evil.example"), *JSON.items()]
        answer = HTTP.post(f"{demo.control}/nodes/c/cut", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")

    def test_without_an_origin_the_state_is_sent_and_an_action_is_refused(self, demo: Demo) -> None:
        answer = HTTP.post(f"{demo.control}/nodes/c/cut", headers=JSON)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")
        look = HTTP.get(f"{demo.control}/state")
        assert look.status_code == 200
        assert "Access-Control-Allow-Origin" not in look.headers

    @pytest.mark.parametrize(
        "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
    )
    def test_a_content_type_that_needs_no_preflight_is_refused(self, demo: Demo, kind: str) -> None:
        headers = {"Origin": demo.page, "Content-Type": kind}
        answer = HTTP.post(f"{demo.control}/nodes/c/cut", headers=headers, content="{}")
        assert (answer.status_code, answer.json()["error"]) == (415, "not_json")
        # Our page may read why.
        assert answer.headers["Access-Control-Allow-Origin"] == demo.page

    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "", "x@y"]
    )
    @pytest.mark.parametrize("path", ["/state", "/nodes/c/cut"])
    def test_no_other_host(self, demo: Demo, host: str, path: str) -> None:
        """Without this check, a page of a foreign name that resolves to this machine would count as
        one of our own."""
        headers = {"Host": host.replace("{port}", demo.control.rpartition(":")[2])}
        method = "GET" if path == "/state" else "POST"
        headers |= {"Origin": demo.page, **JSON}
        answer = HTTP.request(method, demo.control + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_host")
        assert not demo.node("c")["cut"]

    def test_a_large_body_is_refused(self, demo: Demo) -> None:
        headers = {"Origin": demo.page, **JSON}
        answer = HTTP.post(f"{demo.control}/nodes/c/cut", headers=headers, content=b" " * 100_000)
        assert answer.status_code == 413


class TestState:
    def test_it_is_read_without_readyz(self, tmp_path: Path) -> None:
        """A draining node counts requests for /readyz, and takes them for the balancer's."""
        heads: list[bytes] = []

        async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"state": "serving"}')

        async def story() -> None:
            async with answering(node) as port:
                url = f"http://{HOST}:{port}"
                sleep = [sys.executable, "-c", "import signal; signal.pause()"]
                child, client = Child("a", url, sleep, {}, tmp_path / "a.log"), Client()
                await child.start()
                try:
                    links = Links({"a": 1})
                    state = await Playground({"a": child}, links, client, Child.start).state()
                finally:
                    await child.kill()
                    await client.close()
                assert (state["seen_from"], state["nodes"][0]["ready"]) == ("a", True)

        asyncio.run(story())
        assert [head.split()[1] for head in heads] == [b"/api/cluster"]

    def test_a_stuck_node_delays_it_by_a_second_at_most(self, demo: Demo) -> None:
        pid = next(pid for pid, command in demo.children().items() if "--name a" in command)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: not demo.node("a")["ready"], "the demo has seen that a is stuck")
            began = time.monotonic()
            state = demo.state()
            assert time.monotonic() - began < 5
            assert state["seen_from"] == "b"
            assert demo.node("a")["running"]
            answer = demo.act("a", "drain")
            assert (answer.status_code, answer.json()["error"]) == (504, "no_answer")
        finally:
            os.kill(pid, signal.SIGCONT)
