"""How the operator's commands call a node, and how they report an address that is no node."""

import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from ratchet_server.cli import main
from ratchet_server.client import CallError, Client

from testing.nodes import HOST, Node
from testing.responder import responding

Refused = Callable[..., str]


class TestACall:
    def test_goes_through_no_proxy_of_the_environment(
        self, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server((HOST, 0)) as closed:
            proxy = f"http://{HOST}:{closed.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert main(["status", node.url]) == 0

    def test_sends_the_secret_from_a_flag_or_the_environment(
        self, tmp_path: Path, refused: Refused
    ) -> None:
        file = tmp_path / "secret"
        file.write_text("swordfish\n")
        environ = {"RATCHET_SECRET": "swordfish"}
        with Node("a", tmp_path, data=":memory:", environ=environ) as node:
            node.start()
            assert "refused (401)" in refused("drain", node.url)
            wrong = {"RATCHET_SECRET": "trout"}
            assert "refused (401)" in refused("drain", node.url, environ=wrong)
            flag = ["--secret-file", str(file)]
            line = refused("retire", "b", "--via", node.url, *flag, environ=wrong)
            assert "refused (404)" in line
            line = refused("retire", "b", "--via", node.url, environ=environ)
            assert "refused (404)" in line

    def test_brings_the_secret_only_where_one_is_needed(
        self,
        node: Node,
        tmp_path: Path,
        refused: Refused,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        file = tmp_path / "secret"
        file.write_text("swordfish-swordfish\n")
        flag = ["--secret-file", str(file)]
        seen: list[tuple[str, str | None]] = []
        with responding(302, "", seen=seen, Location=f"{node.url}/api/cluster") as url:
            assert main(["status", url, *flag]) == 0
            assert "Node a serves" in capsys.readouterr().out
            refused("retire", "b", "--via", url, *flag)
        assert seen == [("GET", None), ("POST", "Bearer swordfish-swordfish")]

    def test_with_a_bad_secret_file_sends_nothing(self, refused: Refused) -> None:
        line = refused("status", f"http://{HOST}:1", "--secret-file", "/no/such/file")
        assert line.startswith("ratchet: --secret-file: /no/such/file can't be read: ")

    def test_follows_a_redirection_only_if_it_changes_nothing(self, node: Node) -> None:
        there = f"{node.url}/api/node"
        with responding(302, "", Location=there) as url, Client(url, None) as client:
            assert client.node().node == "a"
            with pytest.raises(CallError, match=r"refused \(302\): Found"):
                client.drain()


class TestAnAddressThatIsNoNode:
    @pytest.mark.parametrize(
        ("status", "body", "words"),
        [
            (200, "<title>Welcome</title>", "is no Ratchet node: "),
            (200, "[]", "is no Ratchet node: "),
            (200, "{}", "is no Ratchet node of this version"),
            (200, "[" * 100_000, "is no Ratchet node: "),
            (500, "<title>Sorry</title>", "refused (500): Internal Server Error"),
            (403, "[]", "refused (403): Forbidden"),
            (503, '{"message": "come back later"}', "refused (503): come back later"),
        ],
    )
    @pytest.mark.parametrize(
        "command", [["status"], ["drain"], ["leave"], ["retire", "b", "--via"]], ids=lambda c: c[0]
    )
    def test_is_reported_with_its_response(
        self, refused: Refused, command: list[str], status: int, body: str, words: str
    ) -> None:
        with responding(status, body) as url:
            assert f"{url} {words}" in refused(*command, url)

    def test_is_reported_if_it_closes_the_connection(self, refused: Refused) -> None:
        with socket.create_server((HOST, 0)) as server:
            url = f"http://{HOST}:{server.getsockname()[1]}"
            hanging_up = Thread(target=lambda: server.accept()[0].close())
            hanging_up.start()
            line = refused("status", url)
            hanging_up.join()
        assert line.startswith(f"ratchet: no response from {url}: ")
        assert line.endswith("does a node run there?")
