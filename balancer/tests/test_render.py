"""render.sh makes one configuration from a list of nodes, and refuses everything else clearly."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest
from ratchet_server.demo import balancer
from ratchet_server.http.bounded_protocol import PATIENT
from ratchet_server.open_files import MOST

from testing.documents import blocks

ROOT: Final = Path(__file__).parents[2]


def render(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(balancer.RENDER), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environ,
    )


def test_every_node_is_in_every_backend_and_only_one_backend_checks() -> None:
    lines = render("a:1,c=10.0.0.2:2,[::1]:3", "*:80").stdout.splitlines()
    servers = [line.split() for line in lines if line.lstrip().startswith("server ")]
    # Under its own name. One without a name has its address.
    named = [["a:1", "a:1"], ["c", "10.0.0.2:2"], ["::1:3", "[::1]:3"]]
    assert [server[1:3] for server in servers] == named * 5
    assert sum("check" in server for server in servers) == 3


def test_a_page_can_ask_for_a_node_only_by_the_name_that_was_given() -> None:
    def pins(nodes: str) -> list[str]:
        return [
            line.strip() for line in render(nodes, "*:80").stdout.splitlines() if "use-" in line
        ]

    assert pins("a:1,b:2") == []
    one = "use-server c if { urlp(node) -m str -- c }"
    assert pins("a:1,c=b:2") == [one] * 3  # views have no pins


def test_the_balancer_is_no_less_patient_than_a_node_with_the_reader_of_a_file() -> None:
    lines = [line.split() for line in render("a:1", "*:80").stdout.splitlines()]
    assert ["timeout", "client", f"{PATIENT.within_s / 60:.0f}m"] in lines


def test_a_node_may_have_as_many_connections_as_the_balancer_lets_in() -> None:
    lines = [line.split() for line in render("a:1", "*:80").stdout.splitlines()]
    most = next(int(line[1]) for line in lines if line[:1] == ["maxconn"])
    assert most * 1.2 <= MOST


def test_one_client_has_a_small_share_of_the_connections() -> None:
    lines = [line.split() for line in render("a:1", "*:80").stdout.splitlines()]
    share = next(int(line[-2]) for line in lines if "sc_conn_cur(0)" in line)
    most = next(int(line[1]) for line in lines if line[:1] == ["maxconn"])
    assert share * 8 == most


@pytest.mark.parametrize(
    "nodes",
    [
        "127.0.0.1:1234",
        "127.0.0.1:1,127.0.0.1:2,localhost:3",
        "[::1]:1234",
        "a_node-1.x:1",
        "c=127.0.0.1:1,[::1]:2,1-b=[::1]:3",
        # HAProxy could take these names for flags.
        "-f=127.0.0.1:1,-i=127.0.0.1:2,--=127.0.0.1:3,-=127.0.0.1:4",
        "a" * 63 + "=127.0.0.1:1",
    ],
)
def test_haproxy_accepts_what_is_rendered(tmp_path: Path, nodes: str) -> None:
    try:
        balancer.haproxy(nodes.split(","), "127.0.0.1:8080", tmp_path)
    except balancer.Unusable as reason:
        if balancer.find_haproxy() is not None:
            raise
        pytest.skip(f"the configuration can't be checked here: {reason}")


def test_a_balancer_starts_as_the_readme_says(tmp_path: Path) -> None:
    program = balancer.find_haproxy()
    if program is None:
        pytest.skip("HAProxy is not on this machine")
    [commands] = [text for text in blocks(ROOT / "README.md", "") if "render.sh" in text]
    write, start = commands.splitlines()
    assert start.startswith("haproxy ")
    script = f"{write}\n{program} -c {start.removeprefix('haproxy ')}"
    script = script.replace("haproxy.cfg", str(tmp_path / "haproxy.cfg"))
    done = subprocess.run(["sh", "-ec", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Configuration file is valid" in done.stdout


@pytest.mark.parametrize(
    ("nodes", "bind", "complaint"),
    [
        ("", "*:80", "no nodes"),
        ("a", "*:80", 'node "a" is not HOST:PORT'),
        ("a:1,", "*:80", 'node "" is not HOST:PORT'),
        ("a:0", "*:80", "no valid port"),
        ("a:65536", "*:80", "no valid port"),
        ("a:1,a:1", "*:80", "given twice"),
        (":1", "*:80", "no valid host"),
        ("a b:1", "*:80", "no valid host"),
        ("a\n  user root\nb:1", "*:80", "no valid host"),
        ("a:1\\n", "*:80", "is not HOST:PORT"),
        ("*:1", "*:80", "no valid host"),
        ("http://a:1", "*:80", "no valid host"),
        ("=a:1", "*:80", "no valid name"),
        ("A=a:1", "*:80", "no valid name"),
        ("a_b=a:1", "*:80", "no valid name"),
        ("a b=a:1", "*:80", "no valid name"),
        ("é=a:1", "*:80", "no valid name"),
        ("a" * 64 + "=a:1", "*:80", "no valid name"),
        ("a }=a:1", "*:80", "no valid name"),
        ("a\n  user root=b:1", "*:80", "no valid name"),
        ("a=", "*:80", 'node "" is not HOST:PORT'),
        ("a=b=c:1", "*:80", "no valid host"),
        ("a=x:1,a=x:2", "*:80", 'the name "a" is given twice'),
        ("a=x:1,x:1", "*:80", 'node "x:1" is given twice'),
        ("a:1", "c=*:80", "the address to bind"),
        ("a:1", "80", "the address to bind"),
        ("a:1", "*:80 ssl", "the address to bind"),
    ],
)
def test_bad_input_is_named_and_nothing_is_rendered(nodes: str, bind: str, complaint: str) -> None:
    result = render(nodes, bind)
    assert (result.returncode, result.stdout) == (2, "")
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("RATCHET_CLIENT_CONNECTIONS", "0"),
        ("RATCHET_CLIENT_CONNECTIONS", "many"),
        ("RATCHET_CLIENT_CONNECTIONS", "1 }\n"),
        ("RATCHET_CLIENT_CONNECTIONS", "100000"),
        ("RATCHET_CLIENT_VIEWS", "-1"),
        ("RATCHET_CLIENT_VIEWS", "1e3"),
        ("RATCHET_CLIENT_VIEWS", "1000000"),
        ("RATCHET_STATS", "8404"),
        ("RATCHET_STATS", "*:8404 ssl"),
        ("RATCHET_PROXIES", "cdn.example"),
        ("RATCHET_PROXIES", "10.0.0.1\n"),
        ("RATCHET_PROXIES", "10.0.0.1 -f"),
    ],
)
def test_a_limit_that_is_none_is_named(variable: str, text: str) -> None:
    result = render("a:1", "*:80", **{variable: text})
    assert (result.returncode, result.stdout) == (2, "")
    assert variable in result.stderr


def test_no_limit_of_views_is_the_most_that_haproxy_counts() -> None:
    assert "sc_gpc0_rate(1) ge 3000 }" in render("a:1", "*:80").stdout
    unlimited = render("a:1", "*:80", RATCHET_CLIENT_VIEWS="0").stdout
    assert "sc_gpc0_rate(1) ge 4294967295 }" in unlimited


def test_without_arguments_it_prints_its_usage() -> None:
    result = render()
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: ")
