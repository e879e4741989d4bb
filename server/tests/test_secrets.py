"""Secrets: the warnings about poor ones, how to change one, and whom a node without one trusts."""

import logging
import os
import secrets
import socket
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from ratchet_server.cli import main
from ratchet_server.http import callers
from ratchet_server.http.errors import ApiError
from ratchet_server.http.guard import Guard
from ratchet_server.settings import SettingError, sources
from sanic import Request

from testing.nodes import HOST, HTTP, Node, cluster, connected, equal, wait_until

GOOD = "correct-horse-battery-staple"


def secret_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


class TestASecret:
    @pytest.mark.parametrize("text", ["x", "x" * 15])
    def test_that_is_short_is_taken_with_a_warning_that_does_not_show_it(
        self, caplog: pytest.LogCaptureFixture, text: str
    ) -> None:
        assert sources.read_one("secrets", Namespace(), {"RATCHET_SECRET": text}) == (text,)
        [line] = caplog.messages
        assert "shorter than 16" in line
        assert text not in line.split()

    def test_that_every_user_can_read_is_taken_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = secret_file(tmp_path / "secret", GOOD, 0o644)
        line = Namespace(secret_file=str(file))
        assert sources.read_one("secrets", line, {}) == (GOOD,)
        [warning] = caplog.messages
        assert f"chmod 600 {file}" in warning

    def test_that_is_good_is_taken_without_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = secret_file(tmp_path / "secret", f"{GOOD}\n")
        assert sources.read_one("secrets", Namespace(secret_file=str(file)), {}) == (GOOD,)
        assert caplog.messages == []

    def test_that_is_too_long_for_a_header_is_refused(self, tmp_path: Path) -> None:
        file = secret_file(tmp_path / "secret", "x" * 513)
        for environ in ({"RATCHET_SECRET": "x" * 513}, {"RATCHET_SECRET_FILE": str(file)}):
            with pytest.raises(SettingError, match="at most 512 characters"):
                sources.read_one("secrets", Namespace(), environ)

    def test_may_be_followed_by_another_on_a_second_line(self, tmp_path: Path) -> None:
        file = secret_file(tmp_path / "secret", f"{GOOD}\n\n  {GOOD}-2 \n")
        line = Namespace(secret_file=str(file))
        assert sources.read_one("secrets", line, {}) == (GOOD, f"{GOOD}-2")
        secret_file(file, "a\nb\nc")
        with pytest.raises(SettingError, match="one secret or two"):
            sources.read_one("secrets", line, {})

    def test_that_is_on_both_lines_is_refused(self, tmp_path: Path) -> None:
        file = secret_file(tmp_path / "secret", f"{GOOD}\n{GOOD}\n")
        with pytest.raises(SettingError, match="the same secret twice"):
            sources.read_one("secrets", Namespace(secret_file=str(file)), {})


class TestTheSecretOfACluster:
    def test_is_changed_node_by_node_in_three_rounds(self, tmp_path: Path) -> None:
        """The procedure in OPERATING.md."""
        old, new = secrets.token_hex(16), secrets.token_hex(16)
        file = secret_file(tmp_path / "secret", old)
        flags = ["--open", "--secret-file", str(file)]
        with cluster(tmp_path, "ab", flags=flags) as nodes:
            views = 0
            for lines in (f"{old}\n{new}", f"{new}\n{old}", new):
                # Each node reads the file only when it starts, so the others keep the lines of the
                # round before.
                secret_file(file, lines)
                for node in nodes.values():
                    node.stop()
                    node.start()
                    wait_until(lambda: connected(nodes.values()), "all are connected")
                    views += 1
                    node.view("x")
                    wait_until(lambda: equal(nodes.values()), "all have the same")
                    assert node.views("x") == views
            assert not any("refused" in node.log for node in nodes.values())
            # The nodes no longer accept the old secret.
            headers = {"Authorization": f"Bearer {old}"}
            assert nodes["a"].post("/api/node/drain", headers).status_code == 401

    def test_may_have_two_lines_and_operators_may_use_both(self, tmp_path: Path) -> None:
        file = secret_file(tmp_path / "secret", f"{GOOD}-1\n{GOOD}-2")
        flags = ["--secret-file", str(file)]
        with Node("a", tmp_path, data=":memory:", flags=flags) as node:
            node.start()
            for n, status in ((1, 404), (2, 404), (3, 401)):
                headers = {"Authorization": f"Bearer {GOOD}-{n}"}
                url = f"{node.url}/api/cluster/retire"
                answer = HTTP.post(url, json={"node": "b"}, headers=headers)
                assert answer.status_code == status
            secret_file(file, f"{GOOD}-2\n{GOOD}-1")
            assert main(["drain", node.url, "--secret-file", str(file)]) == 0
            assert node.wait() == 0


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection on this machine: the client's and the server's."""
    with (
        socket.create_server((HOST, 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        yield client, accepted


class Transport:
    """The part of a request's transport that the guard uses."""

    def __init__(self, accepted: socket.socket) -> None:
        self._names = {"peername": accepted.getpeername(), "sockname": accepted.getsockname()}

    def get_extra_info(self, name: str) -> Any:
        return self._names[name]


def request_on(accepted: socket.socket) -> Request:
    given = Namespace(headers={}, ip=HOST, path="/api/node/drain", transport=Transport(accepted))
    return cast(Request, given)


class TestANodeWithoutASecret:
    """It recognises a proxy that adds no header, as nginx by default, by the user it runs as."""

    def test_knows_the_user_of_a_caller_on_its_own_machine(self) -> None:
        with connection() as (_, accepted):
            names = accepted.getpeername(), accepted.getsockname()
            assert callers.user_of(*names) == os.geteuid()

    def test_does_not_know_the_user_of_a_caller_that_has_gone(self) -> None:
        """For a socket that no process has any more, the system reports user 0, which is root."""
        with connection() as (client, accepted):
            names = accepted.getpeername(), accepted.getsockname()
            client.close()
            assert callers.user_of(*names) is callers.NOBODY

    @pytest.mark.parametrize(
        ("user", "trusted"),
        [(os.geteuid(), True), (0, True), (None, True), (os.geteuid() + 33, False),
         (callers.NOBODY, False)],
    )  # fmt: skip
    def test_trusts_its_own_user_and_root_and_everybody_if_the_system_shows_no_user(
        self, user: int | None, trusted: bool
    ) -> None:
        guard = Guard((), user_of=lambda _peer, _here: user)
        with connection() as (_, accepted):
            if trusted:
                guard.operator(request_on(accepted))
                return
            with pytest.raises(ApiError, match="only from its own user and root") as refused:
                guard.operator(request_on(accepted))
            assert refused.value.code == "loopback_only"

    def test_trusts_these_tests_which_run_as_its_user(self, node: Node) -> None:
        assert node.post_json("/api/cluster/retire", node="nobody").status_code == 404

    def test_logs_that_it_refuses_a_caller_of_another_user(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        guard = Guard((), user_of=lambda _peer, _here: 12345)
        with connection() as (_, accepted), pytest.raises(ApiError):
            guard.operator(request_on(accepted))
        assert "--secret-file" in caplog.text
