"""nginx and Caddy in front of the balancer, as deploy/ configures them: all works by HTTPS."""

import json
import os
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from e2e.cluster import Cluster, running_cluster
from e2e.viewer import Viewer
from testing import packages
from testing.certificates import Authority, Files
from testing.documents import blocks
from testing.nodes import HOST, PATIENCE_S, free_port, wait_until
from testing.packages.debian import Debian
from testing.processes import running
from testing.wire import key

DEPLOY: Final = Path(__file__).parents[1] / "deploy"
NAME: Final = "localhost"


@dataclass(frozen=True)
class Front:
    """A site by HTTPS."""

    url: str
    plain_url: str
    http: httpx.Client
    tls: ssl.SSLContext
    # The file with the certificate that clients trust.
    authority: Path
    cluster: Cluster


@dataclass(frozen=True)
class Place:
    """Where a front runs in a test."""

    folder: Path
    balancer: str
    plain: int
    secure: int
    files: Files
    changes: Mapping[str, str]


def nginx(program: Path, at: Place) -> list[str]:
    """The command that starts nginx."""
    # Debian's nginx has these places in folders that its package makes.
    places = "".join(
        f"{each}_temp_path {at.folder}/{each};"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = adapted(
        "nginx.conf",
        {
            "http {": f"http {{ access_log off; {places}",
            "127.0.0.1:8080;": f"{at.balancer};",
            "listen 80;": f"listen {HOST}:{at.plain};",
            "listen 443 ssl;": f"listen {HOST}:{at.secure} ssl;",
            "/etc/ssl/views.example.org/certificate.pem": str(at.files.certificate),
            "/etc/ssl/views.example.org/key.pem": str(at.files.key),
            "https://$host$": f"https://$host:{at.secure}$",
            "views.example.org;": f"{NAME};",
            **at.changes,
        },
    )
    (at.folder / "nginx.conf").write_text(conf)
    options = f"daemon off; pid {at.folder}/pid; user root;"
    return [str(program), "-e", "stderr", "-c", str(at.folder / "nginx.conf"), "-g", options]


def caddy(program: Path, at: Place) -> list[str]:
    """The command that starts Caddy."""
    ports = f"http_port {at.plain}\nhttps_port {at.secure}"
    conf = adapted(
        "Caddyfile",
        {
            "views.example.org {": f"{{\nadmin off\ngrace_period 1s\n{ports}\n"
            f"storage file_system {at.folder}\n}}\n"
            f"{NAME} {{\nbind {HOST}\ntls {at.files.certificate} {at.files.key}",
            "reverse_proxy 127.0.0.1:8080": f"reverse_proxy {at.balancer}",
        },
    )
    (at.folder / "Caddyfile").write_text(conf)
    return [str(program), "run", "--adapter", "caddyfile", "--config", str(at.folder / "Caddyfile")]


def adapted(name: str, changes: Mapping[str, str]) -> str:
    """The configuration, with the ports and files of a test."""
    text = (DEPLOY / name).read_text()
    for old, new in changes.items():
        # The comments have some of these, too.
        assert old in text, old
        text = text.replace(old, new)
    return text


FRONTS: Final[dict[str, tuple[Debian, Callable[[Path, Place], list[str]]]]] = {
    "nginx": (packages.NGINX, nginx),
    "caddy": (packages.CADDY, caddy),
}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Nodes and a balancer."""
    with running_cluster(tmp_path_factory.mktemp("behind")) as started:
        yield started


@pytest.fixture(scope="module", params=FRONTS)
def front(
    request: pytest.FixtureRequest, behind: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    with running_front(request.param, behind, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def narrow(behind: Cluster, tmp_path: Path) -> Iterator[Front]:
    """nginx, with which an address may have two open requests."""
    with running_front(
        "nginx", behind, tmp_path, {"open_requests 1000;": "open_requests 2;"}
    ) as it:
        yield it


@contextmanager
def running_front(
    name: str, behind: Cluster, folder: Path, changes: Mapping[str, str] | None = None
) -> Iterator[Front]:
    """A proxy in front of the balancer. `changes`: of its configuration."""
    package, command = FRONTS[name]
    program = package.find()
    if not program:
        assert not packages.in_ci(), f"{package.name} is missing"
        pytest.skip(f"{package.name} is not on this machine and can't be had")
    authority = Authority(folder)
    files = authority.issue(NAME)
    at = Place(folder, urlsplit(behind.url).netloc, free_port(), free_port(), files, changes or {})
    trusted = folder / "authority.pem"
    trusted.write_text(authority.pem)
    tls = ssl.create_default_context(cadata=authority.pem)
    environ = {**package.environ(program), "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (
        # nginx ends its workers when it is asked to stop, and leaves them behind when it is killed.
        running(command(program, at), folder / "log", environ, patience_s=PATIENCE_S) as process,
        httpx.Client(
            base_url=f"https://{NAME}:{at.secure}", verify=tls, timeout=PATIENCE_S, trust_env=False
        ) as http,
    ):
        plain = f"http://{NAME}:{at.plain}"
        wait_until(lambda: _answers(http) or process.poll() is not None, "it answers")
        assert process.poll() is None, (folder / "log").read_text()
        yield Front(str(http.base_url), plain, http, tls, trusted, behind)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_view_with_its_key_counts_once_at_one_node(front: Front, video: str) -> None:
    path, headers = f"/api/videos/{video}/views", {"Idempotency-Key": key()}
    answers = [front.http.post(path, headers=headers).json() for _ in range(4)]
    assert [each["counted"] for each in answers] == [True, False, False, False]
    assert {each["views"] for each in answers} == {1}


def test_the_page_counts_and_follows_the_number(front: Front, browser: Browser, video: str) -> None:
    context = browser.new_context(ignore_https_errors=True)
    viewer = Viewer(context)
    sockets: list[str] = []
    viewer.page.on("websocket", lambda socket: sockets.append(socket.url))
    viewer.open(front.url, video)
    viewer.play()
    expect(viewer.number).to_have_text("1")
    front.cluster.b.view(video)
    expect(viewer.number).to_have_text("2")
    assert sockets
    assert all(url.startswith(f"wss://{NAME}:") for url in sockets)
    assert not viewer.complaints
    context.close()


def test_websockets_and_events_come_at_once(front: Front, video: str) -> None:
    live = front.url.replace("https", "wss", 1) + f"/api/videos/{video}/live"
    with (
        connect(live, ssl=front.tls, proxy=None) as socket,
        front.http.stream("GET", f"/api/videos/{video}/events") as response,
    ):
        events = (line for line in response.iter_lines() if line.startswith("data: "))
        assert json.loads(socket.recv())["slots"] == json.loads(next(events)[6:])["slots"] == {}
        started = time.monotonic()
        front.cluster.a.view(video)
        for message in (socket.recv(), next(events)[6:]):
            assert sum(json.loads(message)["slots"].values()) == 1
        # A proxy that gathers 4 kB before it sends anything would take for ever.
        assert time.monotonic() - started < PATIENCE_S


def test_an_address_has_a_limit_of_open_websockets(narrow: Front, video: str) -> None:
    live = narrow.url.replace("https", "wss", 1) + f"/api/videos/{video}/live"
    views = f"/api/videos/{video}/views"
    with connect(live, ssl=narrow.tls, proxy=None), connect(live, ssl=narrow.tls, proxy=None):
        with pytest.raises(InvalidStatus) as refused:
            connect(live, ssl=narrow.tls, proxy=None)
        assert refused.value.response.status_code == 429
        answer = narrow.http.post(views)
        assert (answer.status_code, answer.json()["error"]) == (429, "too_many_connections")
        assert answer.headers["Retry-After"] == "10"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    wait_until(lambda: narrow.http.get("/readyz").status_code == 200, "the websockets are closed")
    assert narrow.http.post(views).json()["views"] == 1


def test_the_commands_of_the_how_to_show_that_it_works(
    front: Front, video: str, tmp_path: Path
) -> None:
    [commands] = blocks(DEPLOY.parent / "docs/behind-nginx.md", "sh")
    commands = commands.replace("https://views.example.org", front.url).replace("tide", video)
    # The third one goes on for as long as its reader likes.
    (tmp_path / ".curlrc").write_text(f"cacert = {front.authority}\nmax-time = 3\nsilent")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ready, view, events = (
        subprocess.run(["sh", "-c", line], env=environ, capture_output=True, text=True).stdout
        for line in commands.splitlines()
    )
    assert " 200" in ready.splitlines()[0]
    assert '"counted":true' in view
    assert f'"video":"{video}"' in events


def test_a_clip_comes_in_ranges(front: Front, video: str) -> None:
    answer = front.http.get(f"/media/{video}.webm", headers={"Range": "bytes=5-9"})
    assert (answer.status_code, len(answer.content)) == (206, 5)


def test_what_is_not_for_the_public_stays_behind(front: Front) -> None:
    for path in ("/metrics", "/peer", "/api/cluster", "/api/node/drain", "/api/changes"):
        assert front.http.get(path).status_code == 404
    answer = front.http.post("/api/videos/x/views", content=b"x" * 20_000)
    # Caddy may still be sending when the balancer, which has refused it, hangs up.
    assert answer.status_code in {413, 502}


def test_without_tls_a_reader_is_sent_to_https(front: Front) -> None:
    answer = httpx.get(f"{front.plain_url}/watch/x?y=z", trust_env=False)
    assert answer.status_code == 308
    # Caddy leaves its own port out: there, it is 443.
    assert answer.headers["location"] in {
        f"{front.url}/watch/x?y=z",
        f"https://{NAME}/watch/x?y=z",
    }
