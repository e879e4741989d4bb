"""The command `ratchet`: what stands on its line, and in the environment, as settings."""

import argparse
import json
import logging
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ratchet_server import demo, node
from ratchet_server.settings import (
    MEMORY,
    Ack,
    SettingError,
    Settings,
    check_url,
    seconds,
    secret_of,
    yes_or_no,
)

USAGE_ERROR = 2
ASK_TIMEOUT_S = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0 fine, 1 it failed, 2 it was called wrongly."""
    parser = _parser(os.environ)
    asked = parser.parse_args(arguments)
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
    settings = Settings(
        name=asked.name,
        host=asked.host,
        port=asked.port,
        data=MEMORY if data == MEMORY else Path(data),
        peers=tuple(asked.peer if asked.peer is not None else _list(os.environ, "RATCHET_PEER")),
        advertise=asked.advertise,
        media=Path(asked.media) if asked.media else None,
        open=yes_or_no(os.environ, "RATCHET_OPEN") if asked.open is None else asked.open,
        secret=secret_of(os.environ, asked.secret_file),
        ack=cast(Ack, os.environ.get("RATCHET_ACK", "disk")),
        key_lifetime_s=seconds(os.environ, "RATCHET_KEY_LIFETIME", 900),
        join_timeout_s=seconds(os.environ, "RATCHET_JOIN_TIMEOUT", 10),
    )
    return node.run(settings)


def _status(asked: argparse.Namespace) -> int:
    state = _call(asked, "GET", asked.url, "/api/node")
    rows = [
        ("node", state["node"]),
        (
            "slot",
            f"{state['node']}@{state['generation']}" if state["generation"] else "not open yet",
        ),
        ("reads", "served" if state["ready"] else "refused: still catching up"),
        ("digest", state["digest"]),
    ]
    for peer in state["peers"]:
        lag = f"behind by {peer['behind']}" if peer["connected"] else "NOT CONNECTED"
        rows.append(("peer", f"{peer['node'] or '?'}  {peer['url'] or ''}  {lag}"))
    for name, text in rows:
        print(f"{name:8}{text}")
    return 0


def _tell(asked: argparse.Namespace) -> int:
    if asked.command == "retire":
        answer = _call(asked, "POST", asked.via, "/api/cluster/retire", {"node": asked.name})
    else:
        answer = _call(asked, "POST", asked.url, f"/api/node/{asked.command}")
    print(json.dumps(answer))
    return 0


def _call(
    asked: argparse.Namespace, method: str, url: str, path: str, body: object = None
) -> dict[str, Any]:
    check_url(url)
    secret = secret_of(os.environ, asked.secret_file)
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
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser(
        "demo", help="a local cluster, a balancer and the page; Ctrl-C stops it"
    )
    one.add_argument("--nodes", type=int, default=3, choices=range(1, 17), metavar="N",
                     help="how many nodes, 1 to 16 (default 3)")  # fmt: skip
    one.set_defaults(run=_demo)

    one = commands.add_parser(
        "node", help="run one node",
        description="Run one node. Each flag can be set as RATCHET_<FLAG> in the environment "
        "(lists with commas); what stands on the command line wins.",
        epilog="Only in the environment: RATCHET_SECRET; RATCHET_ACK (memory or disk; "
        "default disk); RATCHET_KEY_LIFETIME (seconds an Idempotency-Key is remembered; 900); "
        "RATCHET_JOIN_TIMEOUT (seconds to catch up before reads are served anyway; 10). "
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

    for command, text in (
        ("status", "how a node and its peers are"),
        ("drain", "let a node stop; it will be back (not in this version)"),
        ("leave", "let a node stop for good (not in this version)"),
    ):
        one = commands.add_parser(command, help=text)
        one.add_argument("url", metavar="URL", help="http://host:port of the node")
        flag("secret-file", None, "a file with the cluster's secret", metavar="FILE")
        one.set_defaults(run=_status if command == "status" else _tell)
    one = commands.add_parser(
        "retire", help="say that a node won't come back (not in this version)"
    )
    one.add_argument("name", metavar="NAME", help="the node's name")
    one.add_argument("--via", required=True, metavar="URL", help="http://host:port of any node")
    flag("secret-file", None, "a file with the cluster's secret", metavar="FILE")
    one.set_defaults(run=_tell)
    return parser


def _list(environ: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environ.get(name, "").split(",") if part.strip()]
