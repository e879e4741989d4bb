"""The commands for operators: each calls a node and prints the result."""

import functools
import json
import time
from collections.abc import Callable
from typing import Any, Final, Literal

from ratchet_server.client import CallError, Client, Node, Unreachable
from ratchet_server.operator import status as reports
from ratchet_server.operator.terminal import wants_colour
from ratchet_server.output import answer as show
from ratchet_server.output import say

# Longer than a node takes to stop: it waits for the balancer, hands over a large slot, and closes
# its sockets.
GOING_TIMEOUT_S: Final = 90
_LOOK_S: Final = 0.1


def status(node: Client, *, as_json: bool) -> bool:
    """Print how the cluster is, as `node` sees it. Return whether all is well. Raises
    `CallError`."""
    state = node.cluster()
    show(_text(node, reports.report, state, as_json=as_json))
    headline = state.get("headline")
    return isinstance(headline, dict) and headline.get("mood") == "well"


def retire(node: Client, name: str, *, check: bool, as_json: bool) -> None:
    """Send `node` the request to retire the node `name`. With `check`, only print what that would
    mean. Raises `CallError`."""
    answer = node.retire(name, check=check)
    stakes = functools.partial(reports.stakes, via=node.url, done=not check)
    text = _text(node, stakes, answer, as_json=as_json)
    if check:
        show(text)
    else:
        say(text)


def join(node: Client, other: Client) -> None:
    """Send `node` the request to join the cluster of `other`. Raises `CallError`."""
    ours, its = node.node().cluster, other.node()
    theirs = its.cluster
    if theirs is None:
        raise CallError(f"{other.url} has not found its cluster yet; try again in some seconds")
    if ours == theirs:
        say(f"Both are of cluster {ours} already.")
        return
    # The node refuses clusters whose bases would not be added up.
    base = _field(other, other.cluster(), "base")
    name = node.join(theirs, its.folded if _field(other, base, "views") else {}).cluster
    say(
        f"Clusters {ours} and {theirs} are one from now on, called {name}. Their counts are added "
        "up once a node of the one connects to a node of the other."
    )


def stop(node: Client, how: Literal["drain", "leave"]) -> None:
    """Send `node` the request to stop, for good with "leave". Returns when the node is gone. Raises
    `CallError`."""
    name = node.node().node
    if how == "leave" and len(_field(node, node.cluster(), "members")) == 1:
        say("It is the only node: afterwards, only its own data has its counts.")
    if how == "leave":
        node.leave()
    else:
        node.drain()
    what = "leaves for good" if how == "leave" else "stops; it may come back"
    say(f"{name} {what}. Waiting until it is gone ...")
    last = _until_gone(node)
    say(f"{name} is gone.")
    if last and last.left_behind:
        mend = "they are lost with its memory"
        if last.stored:
            mend = "keep its data, and start it there once more to hand them over"
        raise CallError(f"{last.left_behind} changes of {name} have reached no other node: {mend}")


def _until_gone(node: Client) -> Node | None:
    """Wait until `node` is gone. Returns its last state, if it has told any."""
    end, last = time.monotonic() + GOING_TIMEOUT_S, None
    while time.monotonic() < end:
        try:
            last = node.node()
        except Unreachable:
            return last
        except CallError:
            pass  # A stopping node cuts connections. While it accepts new ones, it is not gone.
        time.sleep(_LOOK_S)
    raise CallError(f"{node.url} still responds after {GOING_TIMEOUT_S} s; its log says why")


def _text(
    node: Client, report: Callable[..., str], answer: dict[str, Any], *, as_json: bool
) -> str:
    if as_json:
        return json.dumps(answer, indent=2)
    try:
        return report(answer, colour=wants_colour())
    except (KeyError, TypeError):
        raise node.not_of_this_version() from None


def _field(node: Client, answer: dict[str, Any], name: str) -> Any:
    if name not in answer:
        raise node.not_of_this_version()
    return answer[name]
