"""The command `ratchet`: what stands on its line, and in the environment, as settings."""

import argparse
import contextlib
import functools
import importlib.metadata
import json
import logging
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from ratchet_server import demo, node
from ratchet_server.operator import status
from ratchet_server.settings import (
    MEMORY,
    Ack,
    OnTerm,
    SettingError,
    Settings,
    check_url,
    origin,
    origins,
    seconds,
    secret_of,
    yes_or_no,
)

USAGE_ERROR = 2
ASK_TIMEOUT_S = 10
# Longer than a node takes to go: to tell the balancer, hand over a large slot, close its sockets.
GOING_TIMEOUT_S = 90


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0 fine, 1 it failed, 2 it was called wrongly, 3 a node was
    superseded."""
    # A variable that is empty isn't set: compose files and unit files leave them so.
    environ = {name: text for name, text in os.environ.items() if text}
    asked = _parser(environ).parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("sanic").setLevel(logging.WARNING)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        return cast(int, asked.run(asked))
    except SettingError as error:
        print(f"ratchet: {error}", file=sys.stderr)
        return USAGE_ERROR
    except (node.NodeError, _CallError) as error:
        print(f"ratchet: {error}", file=sys.stderr)
        return 1


class _CallError(Exception):
    """A node couldn't be asked, or refused."""


def _demo(asked: argparse.Namespace) -> int:
    return demo.run(asked.nodes)


def _node(asked: argparse.Namespace) -> int:
    data: Any = asked.data
    environ: Mapping[str, str] = asked.environ
    settings = Settings(
        name=asked.name or "",
        host=asked.host,
        port=asked.port,
        data=MEMORY if data == MEMORY else Path(data),
        peers=tuple(asked.peer if asked.peer is not None else _list(environ, "RATCHET_PEER")),
        advertise=asked.advertise,
        media=Path(asked.media) if asked.media else None,
        open=yes_or_no(environ, "RATCHET_OPEN") if asked.open is None else asked.open,
        secret=secret_of(environ, asked.secret_file),
        ack=cast(Ack, environ.get("RATCHET_ACK", "disk")),
        key_lifetime_s=seconds(environ, "RATCHET_KEY_LIFETIME", 900),
        join_timeout_s=seconds(environ, "RATCHET_JOIN_TIMEOUT", 10),
        peers_timeout_s=seconds(environ, "RATCHET_PEERS_TIMEOUT", 5),
        fold_grace_s=seconds(environ, "RATCHET_FOLD_GRACE", 3600),
        retire_after_s=seconds(environ, "RATCHET_RETIRE_AFTER", 0) or None,
        on_term=cast(OnTerm, environ.get("RATCHET_ON_TERM", "stop")),
        discover=yes_or_no(environ, "RATCHET_DISCOVER", default="yes"),
        page=Path(page) if (page := environ.get("RATCHET_PAGE")) else None,
        panel=yes_or_no(environ, "RATCHET_PANEL"),
        playground=origin(url, "RATCHET_PLAYGROUND")
        if (url := environ.get("RATCHET_PLAYGROUND"))
        else None,
        embed_origins=origins(environ, "RATCHET_EMBED_ORIGINS"),
    )
    return node.run(settings)


def _status(asked: argparse.Namespace) -> int:
    state = _call(asked, "GET", asked.url, "/api/cluster")
    if asked.json:
        print(json.dumps(state, indent=2))
    else:
        print(_told(asked.url, status.report, state))
    return 0


def _go(asked: argparse.Namespace) -> int:
    """`drain` and `leave`: returns when the node is gone."""
    url = asked.url
    last: dict[str, Any] = {}
    node = _field(url, _call(asked, "GET", url, "/api/node"), "node")
    if asked.command == "leave":
        cluster = _call(asked, "GET", url, "/api/cluster")
        if len(_field(url, cluster, "members")) == 1:
            print("It is the only node: what it has counted will be in its data alone.")
    _call(asked, "POST", url, f"/api/node/{asked.command}")
    how = "leaves for good" if asked.command == "leave" else "stops; it may come back"
    print(f"{node} {how}. Waiting until it is gone ...", flush=True)
    end = time.monotonic() + GOING_TIMEOUT_S
    while _is_there(url):
        if time.monotonic() > end:
            raise _CallError(f"{url} still answers after {GOING_TIMEOUT_S} s; its log says why")
        # Between the two looks it may have gone.
        with contextlib.suppress(_CallError):
            last = _call(asked, "GET", url, "/api/node")
        time.sleep(0.1)
    print(f"{node} is gone.")
    if left_behind := last.get("left_behind"):
        where = "they are lost with its memory"
        if last.get("stored"):
            where = "keep its data, and start it there once more to hand them over"
        raise _CallError(f"{left_behind} changes of {node} have reached no other node: {where}")
    return 0


def _retire(asked: argparse.Namespace) -> int:
    body: dict[str, object] = {"node": asked.name}
    if asked.check:
        body["check"] = True
    answer = _call(asked, "POST", asked.via, "/api/cluster/retire", body)
    if asked.json:
        print(json.dumps(answer, indent=2))
    else:
        stakes = functools.partial(status.stakes, via=asked.via, done=not asked.check)
        print(_told(asked.via, stakes, answer))
    return 0


def _told(url: str, tell: Callable[..., str], answer: dict[str, Any]) -> str:
    """A node's answer for people."""
    try:
        return tell(answer, colour=status.wants_colour())
    except (KeyError, TypeError):
        raise _CallError(f"{url} is no Ratchet node of this version") from None


def _field(url: str, answer: dict[str, Any], name: str) -> Any:
    """A field that every Ratchet node tells."""
    if name not in answer:
        raise _CallError(f"{url} is no Ratchet node of this version")
    return answer[name]


def _is_there(url: str) -> bool:
    """Whether anything listens at this address."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), ASK_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _call(
    asked: argparse.Namespace, method: str, url: str, path: str, body: object = None
) -> dict[str, Any]:
    check_url(url)
    secret = secret_of(asked.environ, asked.secret_file)
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url.rstrip("/") + path, data, headers, method=method)
    # No proxy from the environment stands between an operator and a node.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ASK_TIMEOUT_S) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        try:
            message = json.load(error)["message"]
        except (ValueError, KeyError, TypeError):
            message = error.reason
        raise _CallError(f"{url} refused ({error.code}): {message}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise _CallError(f"can't ask {url}: {reason}; does a node run there?") from None
    if not isinstance(answer, dict):
        raise _CallError(f"{url} is no Ratchet node")
    return answer


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ratchet",
        description="A view counter that many nodes count on and that never goes down.",
    )
    version = f"%(prog)s {importlib.metadata.version('ratchet-server')}"
    parser.add_argument("--version", action="version", version=version)
    parser.set_defaults(environ=environ)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser(
        "demo", help="a local cluster, a balancer and the page; Ctrl-C stops it",
        description=demo.ABOUT,
    )  # fmt: skip
    one.add_argument("--nodes", type=int, default=3, choices=range(1, 17), metavar="N",
                     help="how many nodes, 1 to 16 (default 3)")  # fmt: skip
    one.set_defaults(run=_demo)

    one = commands.add_parser(
        "node", help="run one node",
        description="Run one node. Each flag can be set as RATCHET_<FLAG> in the environment "
        "(lists with commas); what stands on the command line wins.",
        epilog="Only in the environment: RATCHET_SECRET; RATCHET_ACK (memory, disk or peers; "
        "default disk); RATCHET_KEY_LIFETIME (seconds an Idempotency-Key is remembered; 900); "
        "RATCHET_JOIN_TIMEOUT (seconds to catch up before reads are served anyway; 10); "
        "RATCHET_PEERS_TIMEOUT (seconds that ack=peers waits for a peer; 5); RATCHET_ON_TERM (what "
        "SIGTERM means: stop or leave; default stop); RATCHET_FOLD_GRACE (seconds a slot is closed "
        "before it is folded; 3600); RATCHET_RETIRE_AFTER (seconds until a missing node is retired "
        "by itself, where more than half of all nodes are there; off); RATCHET_DISCOVER (dial "
        "nodes that others tell of, too: yes or no; default yes); RATCHET_EMBED_ORIGINS (the sites "
        "that may show counts of this one: https://blog.example, more with commas, or * for every "
        "site; none); RATCHET_PANEL (a debug panel on the watch page: yes or no; default no); "
        "RATCHET_PAGE (the folder of a page built elsewhere); RATCHET_PLAYGROUND (the demo's "
        "control). "
        "Exit codes: 0 told to stop, 1 failed, 2 called wrongly, 3 a newer process has its name.",
    )  # fmt: skip

    def flag(name: str, default: str | None, text: str, **options: Any) -> None:
        value = environ.get("RATCHET_" + name.replace("-", "_").upper(), default)
        shown = f" (default {default})" if default else ""
        one.add_argument(f"--{name}", default=value, help=text + shown, **options)

    flag("name", None, "the node's name, unlike any other's: 1 to 63 of a-z 0-9 -", metavar="NAME")
    flag("host", "127.0.0.1", "the address to listen on", metavar="ADDRESS")
    flag("port", "1234", "the port to listen on; 0 takes any that is free", type=int)
    flag("data", "data", "the folder of its database, or :memory: for none", metavar="DIR")
    text = "http://host:port of another node; may be given several times"
    one.add_argument("--peer", action="append", metavar="URL", help=text)
    flag(
        "advertise", None, "how peers reach this node, if not at what it listens on", metavar="URL"
    )
    flag("media", None, "the folder of clips that is the catalogue", metavar="DIR")
    flag(
        "secret-file", None, "a file with the secret that nodes and operators share", metavar="FILE"
    )
    one.add_argument("--open", action=argparse.BooleanOptionalAction,
                     help="count any valid video id, not only the catalogue's")  # fmt: skip
    one.set_defaults(run=_node)

    def operator(name: str, text: str, more: str) -> argparse.ArgumentParser:
        nonlocal one
        one = commands.add_parser(name, help=text, description=f"{more}")
        flag("secret-file", None, "a file with the cluster's secret", metavar="FILE")
        return one

    url, as_json = "http://host:port of the node", "as JSON, for programs"
    operator("status", "how the cluster is, as one node sees it",
             "Who is there and who is missing, who is behind, which slots are open, closed and "
             "folded, what is in the way of a fold, and what to do about it.")  # fmt: skip
    one.add_argument("url", metavar="URL", help=url)
    one.add_argument("--json", action="store_true", help=as_json)
    one.set_defaults(run=_status)
    operator("drain", "let a node stop; it will be back",
             "The balancer is told first, then views are refused, and what was counted is handed "
             "to another node. Returns when the node is gone.")  # fmt: skip
    one.add_argument("url", metavar="URL", help=url)
    one.set_defaults(run=_go)
    operator("leave", "let a node stop for good",
             "As drain; and the node's slot is closed, so that the others fold it and forget the "
             "node. Returns when the node is gone.")  # fmt: skip
    one.add_argument("url", metavar="URL", help=url)
    one.set_defaults(run=_go)
    operator("retire", "say that a node won't come back",
             "For a node that is gone and could not leave: its slots are closed, and folded after "
             "the grace (RATCHET_FOLD_GRACE). It may come back all the same; after the fold, what "
             "nobody else had seen of it is lost.")  # fmt: skip
    one.add_argument("name", metavar="NAME", help="the node's name")
    one.add_argument("--via", required=True, metavar="URL", help="http://host:port of any node")
    one.add_argument("--check", action="store_true",
                     help="only tell what each node holds of it and what is at stake")  # fmt: skip
    one.add_argument("--json", action="store_true", help=as_json)
    one.set_defaults(run=_retire)
    return parser


def _list(environ: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environ.get(name, "").split(",") if part.strip()]
