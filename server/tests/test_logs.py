"""The log of a node: as text, as JSON, and from which level on."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ratchet_server.log_throttle import MOST_LINES, MOST_SIZE
from ratchet_server.logs.json_line import MOST_OF_TRACE

from testing.nodes import HOST, PATIENCE_S, Node, free_port
from testing.wire import raw

JSON = {"RATCHET_LOG_FORMAT": "json"}
TEXT_LINE = re.compile(
    r"[0-9]{4}(-[0-9]{2}){2} [0-9:]{8},[0-9]{3} (INFO|WARNING|ERROR) .+|ready: .+"
)
NOW = "logging.getLogger('{}').warning('hello')"


def records(log: str) -> list[dict[str, Any]]:
    """The records of a log in JSON, each checked."""
    found = []
    for line in log.splitlines():
        record = json.loads(line)
        # In this order, so that people can read it, too.
        assert [*record][:4] == ["time", "level", "logger", "message"]
        assert {*record} <= {"time", "level", "logger", "message", "exception", "stack"}
        assert record["level"] in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
        assert record["time"].endswith("Z")
        age = datetime.now(UTC) - datetime.fromisoformat(record["time"])
        assert timedelta(0) <= age < timedelta(minutes=10)
        assert line.isascii()
        found.append(record)
    return found


def logged(form: str, code: str, level: str = "info") -> str:
    """What a process with such a log writes to stderr while it runs `code`."""
    program = (
        f"import logging; from ratchet_server import logs; logs.to_stderr('{form}', '{level}')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program + code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    ).stderr


class TestTheLogOfANode:
    def test_is_json_in_each_line_when_it_starts_is_refused_and_stops(self, tmp_path: Path) -> None:
        # Of a short secret a node warns before all else.
        right, wrong = {"RATCHET_SECRET": "right"}, {"RATCHET_SECRET": "wrong"}
        with (
            Node("b", tmp_path, environ=JSON | right) as b,
            Node("a", tmp_path, peers=[b.url], environ=JSON | wrong) as a,
        ):
            b.start()
            a.start()
            a.wait_for_log("refused us: 401")
            for node in (a, b):
                assert node.stop() == 0
                of_node = records(node.log)
                assert f"ready: node {node.name} at {node.url}" in [
                    one["message"] for one in of_node
                ]
                assert {one["logger"].partition(".")[0] for one in of_node} == {"ratchet_server"}
            assert {one["level"] for one in records(a.log)} >= {"INFO", "WARNING"}
            assert "secret" in records(a.log)[0]["message"]

    def test_has_a_traceback_in_one_line_of_json(self, tmp_path: Path) -> None:
        environ = JSON | {"RATCHET_FAIL_AT": "peer-dialled"}
        with (
            Node("b", tmp_path) as b,
            Node("a", tmp_path, peers=[b.url], environ=environ) as node,
        ):
            b.start()
            node.spawn()
            assert node.wait() == 1
            *_, failed, last = [one for one in records(node.log) if one["level"] == "ERROR"]
            assert failed["message"] == "a part of this node has failed; the node stops"
            assert failed["exception"].startswith("Traceback (most recent call last):\n")
            assert last["message"].startswith("ratchet: a part of this node has failed, so it has")

    def test_is_json_also_of_sanic(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, flags=["--open", "--log-format", "json"]) as node:
            node.start()
            body = b"GET /api/videos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
            for _ in range(2 * MOST_LINES):
                raw(node, body + b"Connection: close\r\n\r\nabc")
            node.stop()
            of_sanic = [one for one in records(node.log) if one["logger"].startswith("sanic")]
            # The ration holds for JSON, too.
            assert len(of_sanic) == MOST_LINES
            assert "left out" in of_sanic[-1]["message"]

    def test_is_text_by_default(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.stop()
            lines = node.log.splitlines()
            assert len(lines) > 1
            assert all(TEXT_LINE.fullmatch(line) for line in lines), node.log
            assert f"ready: node a at {node.url}" in lines

    def test_has_only_what_its_level_lets_pass(self, tmp_path: Path) -> None:
        nowhere = f"http://{HOST}:{free_port()}"
        for level, says in (("debug", True), ("info", False)):
            environ = {"RATCHET_LOG_LEVEL": level, "RATCHET_JOIN_TIMEOUT": "1"}
            with Node(level, tmp_path, peers=[nowhere], environ=environ) as node:
                node.start()
                assert (f"DEBUG peer {nowhere}: " in node.log) is says
        with Node("a", tmp_path, environ={"RATCHET_LOG_LEVEL": "error"}) as node:
            node.start()
            assert node.stop() == 0
            assert node.log == f"ready: node a at {node.url}\n"


class TestWhatIsNoRecord:
    """A collector of logs must be able to read what Python itself prints."""

    def test_a_wrong_setting_is_json_too(self) -> None:
        # In a process of its own: this log takes hooks of Python that pytest needs.
        command = [sys.executable, "-m", "ratchet_server", "node", "--name", "A"]
        ended = subprocess.run(
            [*command, "--log-format", "json"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (2, "")
        [record] = records(ended.stderr)
        assert record["level"] == "ERROR"
        assert record["message"].startswith("ratchet: --name: ")

    @pytest.mark.parametrize("variable", ["RATCHET_LOG_FORMAT", "RATCHET_LOG_LEVEL"])
    def test_unless_it_is_a_setting_of_the_log(
        self, refused: Callable[..., str], variable: str
    ) -> None:
        line = refused("node", "--name", "a", environ={variable: "loud"})
        assert line.startswith(f"ratchet: {variable}")
        assert line.endswith("not 'loud'")

    def test_the_end_of_a_process_is_json(self) -> None:
        [record] = records(logged("json", "raise ValueError('why')"))
        assert record["level"] == "CRITICAL"
        assert record["exception"].endswith("ValueError: why")

    def test_a_failed_thread_is_json(self) -> None:
        code = "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()"
        [record] = records(logged("json", code))
        assert record["exception"].endswith("ZeroDivisionError: division by zero")

    def test_what_cannot_be_raised_is_json(self) -> None:
        [record] = records(logged("json", "class X:\n def __del__(self): 1 / 0\nX()"))
        assert record["exception"].endswith("ZeroDivisionError: division by zero")

    def test_a_warning_is_json(self) -> None:
        [record] = records(logged("json", "import warnings; warnings.warn('old')"))
        assert record["level"] == "WARNING"
        assert "UserWarning: old" in record["message"]


class TestARecord:
    def test_has_one_line_whatever_is_in_it(self) -> None:
        code = "logging.getLogger('x').warning('a\\nb\\x1b[31m\\u2028\\udc80%s', 'ü' * 5000)"
        [record] = records(logged("json", code))
        assert record["message"].startswith("a\nb\x1b[31m\u2028\udc80ü")
        assert len(record["message"]) == MOST_SIZE + len(" ...")

    def test_has_the_end_of_a_long_traceback(self) -> None:
        code = "try: raise ValueError('x' * 100_000 + 'end')\nexcept ValueError: "
        [record] = records(logged("json", code + "logging.exception('failed')"))
        assert record["exception"].endswith("xend")
        assert len(record["exception"]) == MOST_OF_TRACE + len("... ")

    def test_has_nothing_that_a_library_adds(self) -> None:
        code = "logging.warning('hello', extra={'websocket': object(), 'secret': 'swordfish'})"
        [record] = records(logged("json", code))
        assert "swordfish" not in str(record)

    def test_of_asyncio_is_one_too(self) -> None:
        [record] = records(logged("json", NOW.format("asyncio")))
        assert (record["logger"], record["message"]) == ("asyncio", "hello")

    def test_of_a_library_passes_only_if_its_level_does(self) -> None:
        for library in ("sanic.error", "websockets", "asyncio"):
            assert "hello" in logged("text", NOW.format(library))
            assert logged("text", NOW.format(library), "error") == ""
            # Their debugging would show headers, with the secret.
            quiet = NOW.format(library).replace("warning", "debug")
            assert logged("text", quiet, "debug") == ""
