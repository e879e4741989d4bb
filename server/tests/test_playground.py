"""The demo's control: what a click can do to a node, who may click, and that nothing is left."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from ratchet_server.demo_place import HOST
from ratchet_server.playground.ask import NoAnswer, ask
from ratchet_server.playground.board import FRESH_S, Board
from ratchet_server.playground.links import Links
from ratchet_server.playground.wire import DemoEnd, Order, PlaygroundEnd

from testing.demo import Demo, demo_at_a_terminal, is_free, running_demo, runs
from testing.nodes import HTTP, wait_until

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all tests of this file that end neither it nor its playground."""
    with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
def demo(shared: Demo) -> Demo:
    """All nodes run and hear each other; do with them what you like."""
    shared.mend()
    return shared


class TestCutting:
    def test_a_cut_node_hears_of_no_view_until_it_is_healed(self, demo: Demo) -> None:
        before = demo.view("a", "tide")
        wait_until(lambda: demo.views("c", "tide") == before, "c hears of it")
        answer = demo.order("c", "cut")
        assert answer.status_code == 200
        assert [one["cut"] for one in answer.json()["nodes"]] == [False, False, True]
        # Cut is cut: at once, and not only after some time-out.
        wait_until(lambda: not demo.hears("c"), "c hears nobody")
        demo.view("a", "tide")
        wait_until(lambda: demo.views("b", "tide") == before + 1, "b hears of it")
        assert demo.views("c", "tide") == before
        assert demo.order("c", "heal").json()["nodes"][2]["cut"] is False
        wait_until(lambda: demo.views("c", "tide") == before + 1, "c hears of it")

    def test_a_cut_node_counts_and_is_reached_by_browsers(self, demo: Demo) -> None:
        demo.order("c", "cut")
        before = demo.views("a", "loom") or 0
        assert demo.view("c", "loom") == before + 1

        def at_c() -> bool:
            answer = HTTP.get(f"{demo.page}/api/videos/loom?node=c")
            return (answer.headers["X-Ratchet-Node"], answer.json()["views"]) == ("c", before + 1)

        # A machine that has much to do may keep c from answering one of the balancer's checks.
        wait_until(at_c, "the balancer sends to c whoever asks for it")
        assert demo.views("a", "loom") == before
        demo.order("c", "heal")
        wait_until(lambda: demo.views("a", "loom") == before + 1, "a hears of it")

    def test_two_cut_nodes_don_t_hear_each_other_until_both_are_healed(self, demo: Demo) -> None:
        demo.order("b", "cut")
        demo.order("c", "cut")
        wait_until(lambda: not any(map(demo.hears, "abc")), "nobody hears anybody")
        demo.order("b", "heal")
        wait_until(lambda: demo.hears("a") == {"b"}, "a and b hear each other")
        assert demo.hears("c") == set()
        demo.order("c", "heal")
        wait_until(lambda: demo.hears("c") == {"a", "b"}, "all hear all")

    def test_cut_and_heal_may_be_said_again(self, demo: Demo) -> None:
        for order in ("cut", "cut", "heal", "heal"):
            assert demo.order("b", order).status_code == 200

    def test_the_cluster_is_seen_from_a_node_that_sees_it(self, demo: Demo) -> None:
        demo.order("a", "cut")
        wait_until(lambda: demo.state()["seen_from"] == "b", "it is seen from b")
        assert demo.state()["cluster"]["node"] == "b"


class TestProcesses:
    def test_kill_and_start(self, demo: Demo) -> None:
        pids = demo.children()
        counted = demo.view("c", "tide")
        killed = demo.order("c", "kill")
        assert killed.status_code == 200
        assert demo.node("c") == killed.json()["nodes"][2]
        assert demo.node("c") == {
            "name": "c", "url": demo.url("c"), "running": False, "ready": False, "cut": False
        }  # fmt: skip
        assert len(pids.keys() - demo.children()) == 1
        demo.wait_for("was killed by SIGKILL")
        assert demo.node("a")["ready"]
        started = demo.order("c", "start")
        assert started.json()["nodes"][2]["running"]
        wait_until(lambda: demo.node("c")["ready"], "c is ready")
        assert demo.views("c", "tide") == counted

    def test_a_node_that_was_killed_from_outside_can_be_started(self, demo: Demo) -> None:
        pid = next(pid for pid, command in demo.children().items() if "--name b" in command)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not demo.node("b")["running"], "its death is seen")
        assert demo.order("b", "start").status_code == 200
        wait_until(lambda: demo.node("b")["ready"], "b is ready")

    @pytest.mark.parametrize("order", ["drain", "leave"])
    def test_a_node_goes_when_it_is_told(self, demo: Demo, order: str) -> None:
        assert demo.order("c", order).status_code == 200
        wait_until(lambda: not demo.node("c")["running"], "c is gone")
        left = {"a", "b"} if order == "leave" else {"a", "b", "c"}
        wait_until(lambda: demo.members() == left, "the others know")

    def test_a_killed_node_is_retired_at_once(self, demo: Demo) -> None:
        demo.order("c", "kill")
        # The others may still believe that it is alive.
        answer = demo.order("c", "retire")
        assert answer.status_code == 200, answer.text
        slots = demo.state()["cluster"]["slots"]
        assert {one["state"] for one in slots if one["slot"].startswith("c@")} <= {"closed"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("node", "order", "status", "code"),
        [
            ("zz", "kill", 404, "unknown_node"),
            ("..", "kill", 404, "unknown_node"),
            ("a%00", "kill", 404, "unknown_node"),
            ("a", "explode", 404, "unknown_order"),
            ("a", "carry_out", 404, "unknown_order"),
            ("a", "start", 409, "running"),
            ("a", "retire", 409, "running"),
        ],
    )
    def test_an_order_that_makes_no_sense(
        self, demo: Demo, node: str, order: str, status: int, code: str
    ) -> None:
        answer = demo.order(node.replace("..", "%2e%2e"), order)
        assert (answer.status_code, answer.json()["error"]) == (status, code)
        assert set(answer.json()) == {"error", "message"}

    @pytest.mark.parametrize("order", ["kill", "drain", "leave"])
    def test_an_order_to_a_node_that_doesn_t_run(self, demo: Demo, order: str) -> None:
        demo.order("c", "kill")
        answer = demo.order("c", order)
        assert (answer.status_code, answer.json()["error"]) == (409, "not_running")

    def test_a_node_alone_can_t_retire_anybody(self, demo: Demo) -> None:
        for name in "abc":
            demo.order(name, "kill")
        answer = demo.order("c", "retire")
        assert (answer.status_code, answer.json()["error"]) == (409, "nobody_runs")
        assert demo.state()["cluster"] is None
        assert demo.state()["seen_from"] is None


class TestWhoMayAsk:
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
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            may = HTTP.options(f"{demo.control}/nodes/a/heal", headers=asked)
            assert may.is_success
            assert may.headers["Access-Control-Allow-Origin"] == origin
            assert may.headers["Access-Control-Allow-Headers"].lower() == "content-type"

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
        said = origin.replace("{page}", page).replace("{control}", control)
        headers = {"Origin": said, "Access-Control-Request-Method": "POST", **JSON}
        path = "/state" if method == "GET" else "/nodes/c/cut"
        answer = HTTP.request(method, demo.control + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert not demo.node("c")["cut"]

    def test_two_origins_are_none(self, demo: Demo) -> None:
        headers = [("Origin", demo.page), ("Origin", "https://evil.example"), *JSON.items()]
        answer = HTTP.post(f"{demo.control}/nodes/c/cut", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")

    def test_an_order_without_an_origin_is_none_and_a_look_is(self, demo: Demo) -> None:
        answer = HTTP.post(f"{demo.control}/nodes/c/cut", headers=JSON)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")
        look = HTTP.get(f"{demo.control}/state")
        assert look.status_code == 200
        assert "Access-Control-Allow-Origin" not in look.headers

    @pytest.mark.parametrize(
        "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
    )
    def test_what_a_browser_sends_without_asking_first_is_no_order(
        self, demo: Demo, kind: str
    ) -> None:
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
        """A foreign name that resolves to this machine makes a page of it one of our own."""
        headers = {"Host": host.replace("{port}", demo.control.rpartition(":")[2])}
        method = "GET" if path == "/state" else "POST"
        headers |= {"Origin": demo.page, **JSON}
        answer = HTTP.request(method, demo.control + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "other_host")
        assert not demo.node("c")["cut"]

    def test_a_body_of_any_size_is_refused(self, demo: Demo) -> None:
        headers = {"Origin": demo.page, **JSON}
        answer = HTTP.post(f"{demo.control}/nodes/c/cut", headers=headers, content=b" " * 100_000)
        assert answer.status_code == 413


class TestLooking:
    def test_many_pages_cost_one_look(self, demo: Demo) -> None:
        began = time.monotonic()
        looks = {demo.state()["cluster"]["time"] for _ in range(50)}
        assert len(looks) <= 2 + (time.monotonic() - began) / FRESH_S

    def test_a_look_is_not_taken_for_the_balancers(self) -> None:
        """A node that drains counts how often its balancer has been told."""
        heads: list[bytes] = []

        async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")

        async def story() -> None:
            async with await asyncio.start_server(node, HOST, 0) as server:
                ports = {"a": server.sockets[0].getsockname()[1]}
                demo = DemoEnd()
                playground = PlaygroundEnd(socket.socket(fileno=os.dup(demo.theirs.fileno())))
                listening = asyncio.create_task(playground.listen())
                demo.tell("a")
                await playground.until(lambda: playground.running == {"a"})
                state = await Board(ports, Links(ports), playground).state()
                assert (state["seen_from"], state["nodes"][0]["ready"]) == ("a", True)
                demo.close()
                await listening

        asyncio.run(story())
        assert [head.split()[1] for head in heads] == [b"/readyz", b"/api/cluster"]
        assert b"\r\nVia: " in heads[0]

    def test_a_node_that_is_stuck_holds_nobody_up(self, demo: Demo) -> None:
        pid = next(pid for pid, command in demo.children().items() if "--name a" in command)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: not demo.node("a")["ready"], "a is seen to be stuck")
            began = time.monotonic()
            state = demo.state()
            assert time.monotonic() - began < 5
            assert state["seen_from"] == "b"
            assert demo.node("a")["running"]
            answer = demo.order("a", "drain")
            assert (answer.status_code, answer.json()["error"]) == (504, "no_answer")
        finally:
            os.kill(pid, signal.SIGCONT)


class TestTheEnd:
    @pytest.mark.parametrize("way", ["Ctrl-C", "Ctrl-C twice"])
    def test_ctrl_c_ends_everything_while_a_node_is_cut(self, tmp_path: Path, way: str) -> None:
        with demo_at_a_terminal(tmp_path) as (demo, typed):
            ports, pids = demo.every_port(), demo.children()
            assert len(pids) == 5
            assert len(ports) == 3 + 6 + 2
            demo.order("c", "cut")
            demo.view("c", "tide")
            # Somebody looks.
            with httpx.Client(trust_env=False) as page:
                page.get(f"{demo.control}/state")
                began = time.monotonic()
                os.write(typed, b"\x03")
                if way == "Ctrl-C twice":
                    wait_until(lambda: "Stopping" in demo.said, "it has heard the first")
                    os.write(typed, b"\x03")
                assert demo.process.wait(20) == 0, demo.said
            assert time.monotonic() - began < 12
        assert "Nothing is left running" in demo.said
        assert not [pid for pid in pids if runs(pid)]
        assert not [port for port in ports if not is_free(port)]
        assert "Traceback" not in (tmp_path / "data/demo/logs/playground.log").read_text()

    def test_a_killed_demo_leaves_nothing(self, tmp_path: Path) -> None:
        with running_demo(tmp_path, 2) as demo:
            pids = demo.children()
            demo.process.kill()
            wait_until(lambda: not [pid for pid in pids if runs(pid)], "all are gone")

    def test_a_killed_playground_is_started_by_enter_and_nodes_hear_each_other_again(
        self, tmp_path: Path
    ) -> None:
        with demo_at_a_terminal(tmp_path) as (demo, typed):
            demo.order("c", "cut")
            control = demo.control
            pid = next(pid for pid, one in demo.children().items() if "playground" in one)
            os.kill(pid, signal.SIGKILL)
            demo.wait_for("Press Enter")
            assert "the playground" in demo.said
            wait_until(lambda: not any(map(demo.hears, "abc")), "nobody hears anybody")
            os.write(typed, b"\n")
            demo.wait_for("the playground is ready again")
            # It remembers no cuts, and is where it was.
            demo.mend()
            assert demo.control == control
            assert demo.order("b", "kill").status_code == 200

    def test_a_killed_node_is_started_by_enter(self, tmp_path: Path) -> None:
        with demo_at_a_terminal(tmp_path, 2) as (demo, typed):
            demo.order("b", "kill")
            demo.wait_for("Press Enter")
            os.write(typed, b"\n")
            demo.wait_for("node b is ready again")
            assert demo.node("b")["running"]


class TestSettings:
    def test_a_taken_port_moves_the_control_and_not_the_demo(self, tmp_path: Path) -> None:
        with socket.create_server((HOST, 0)) as other:
            taken = other.getsockname()[1]
            with running_demo(tmp_path, 1, control=taken) as demo:
                assert demo.control != f"http://{HOST}:{taken}"
                assert demo.state()["nodes"][0]["ready"]
                # A node alone has no links and can be killed all the same.
                assert demo.order("a", "kill").status_code == 200

    def test_with_a_secret_operators_calls_have_it(self, tmp_path: Path) -> None:
        with running_demo(tmp_path, 2, environ={"RATCHET_SECRET": "xyzzy"}) as demo:
            wait_until(lambda: demo.members() == {"a", "b"}, "b is known")
            demo.order("b", "kill")
            assert demo.order("b", "retire").status_code == 200
            demo.order("b", "start")
            wait_until(lambda: demo.node("b")["ready"], "b is ready")
            assert demo.order("b", "leave").status_code == 200
            wait_until(lambda: not demo.node("b")["running"], "b is gone")


class TestLinks:
    @contextlib.asynccontextmanager
    async def linked(self) -> AsyncIterator[tuple[Links, int, int]]:
        """Links of a, which listens nowhere, and b, which answers in capitals; two ports: from a
        to b, and from b to a."""

        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                while said := await reader.read(1 << 16):
                    writer.write(said.upper())

        b = await asyncio.start_server(shout, HOST, 0)
        with socket.create_server((HOST, 0)) as nobody:
            a_port = nobody.getsockname()[1]
        links = Links({"a": a_port, "b": b.sockets[0].getsockname()[1]})
        listeners = {pair: socket.create_server((HOST, 0)) for pair in (("a", "b"), ("b", "a"))}
        servers = await links.serve(listeners)
        try:
            yield links, *(one.getsockname()[1] for one in listeners.values())
        finally:
            for server in (b, *servers):
                server.close()

    def play(self, story: Callable[[Links, int, int], Awaitable[None]]) -> None:
        async def played() -> None:
            async with asyncio.timeout(30), self.linked() as (links, a_to_b, b_to_a):
                await story(links, a_to_b, b_to_a)

        asyncio.run(played())

    def test_what_is_sent_arrives_whole_and_both_ways(self) -> None:
        async def story(_: Links, a_to_b: int, __: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, a_to_b)
            sent = b"x" * 3_000_000

            async def send() -> None:
                writer.write(sent)
                await writer.drain()

            sending = asyncio.create_task(send())
            assert await reader.readexactly(len(sent)) == sent.upper()
            await sending
            writer.close()

        self.play(story)

    @pytest.mark.parametrize("name", ["a", "b"])
    def test_a_cut_ends_what_is_open_and_drops_what_comes(self, name: str) -> None:
        async def story(links: Links, a_to_b: int, _: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, a_to_b)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"X"
            links.cut_off(name)
            assert links.cut == {name}
            assert await _rest(reader) == b""
            late_reader, late = await asyncio.open_connection(HOST, a_to_b)
            late.write(b"y")
            assert await _rest(late_reader) == b""
            links.heal(name)
            again_reader, again = await asyncio.open_connection(HOST, a_to_b)
            again.write(b"z")
            assert await again_reader.readexactly(1) == b"Z"
            for one in (writer, late, again):
                one.close()

        self.play(story)

    def test_nobody_behind_a_link_is_an_end(self) -> None:
        async def story(_: Links, __: int, b_to_a: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, b_to_a)
            assert await _rest(reader) == b""
            writer.close()

        self.play(story)


class TestWire:
    def test_orders_and_facts_arrive(self) -> None:
        async def story() -> None:
            demo = DemoEnd()
            playground = PlaygroundEnd(socket.socket(fileno=os.dup(demo.theirs.fileno())))
            listening = asyncio.create_task(playground.listen())
            demo.tell("ab")
            await playground.until(lambda: playground.running == {"a", "b"})
            carried = asyncio.create_task(playground.carry_out("start", "c"))
            orders: list[Order] = []
            while not orders:
                await asyncio.sleep(0)
                orders += demo.orders()
            assert orders == [Order("start", "c")]
            assert not carried.done()
            demo.tell("abc")
            await carried
            demo.close()
            # The demo is gone.
            await listening

        async def bounded() -> None:
            async with asyncio.timeout(30):
                await story()

        asyncio.run(bounded())

    def test_what_is_no_order_is_none(self) -> None:
        demo = DemoEnd()
        with contextlib.closing(demo):
            for part in (b"explode a\nki", b"ll b\n\xff\n", b"\n", b"start"):
                demo.theirs.sendall(part)
            assert [*demo.orders()] == [Order("kill", "b")]
            demo.theirs.sendall(b" c\n")
            assert [*demo.orders()] == [Order("start", "c")]

    def test_the_demo_waits_for_no_playground(self) -> None:
        demo = DemoEnd()
        with contextlib.closing(demo):
            for number in range(100_000):
                demo.tell([f"n{number}"])


class TestAsking:
    def asked(self, answer: bytes | None) -> None:
        async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                await reader.readuntil(b"\r\n\r\n")
                while answer is None:
                    writer.write(b"x")
                    await writer.drain()
                    # A drip that never ends: this is how the stuck node behaves, not a wait.
                    await asyncio.sleep(0.01)
                writer.write(answer)

        async def story() -> None:
            async with await asyncio.start_server(node, HOST, 0) as server:
                port = server.sockets[0].getsockname()[1]
                await ask(port, "GET", "/", timeout_s=0.3)

        asyncio.run(story())

    @pytest.mark.parametrize(
        "answer",
        [
            None,  # one that never ends
            b"",
            b"garbage",
            b"HTTP/1.1 200 OK\r\n\r\nno json",
            b"HTTP/1.1 abc\r\n\r\n{}",
            b"SSH-2.0 200 x\r\n\r\n{}",
            b'HTTP/1.1 200 OK\r\n\r\n"\xff"',
        ],
    )
    def test_what_is_no_answer(self, answer: bytes | None) -> None:
        with pytest.raises(NoAnswer):
            self.asked(answer)

    def test_an_answer(self) -> None:
        self.asked(b"HTTP/1.1 200 OK\r\n\r\n{}")


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, however it ends."""
    with contextlib.suppress(OSError):
        return await reader.read()
    return b""
