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
    ours, theirs = (one.node().cluster for one in (node, other))
    if theirs is None:
        raise CallError(f"{other.url} has not found its cluster yet; try again in some seconds")
    if ours == theirs:
        say(f"Both are of cluster {ours} already.")
        return
    _check_bases(node, other)
    name = node.join(theirs).cluster
    say(
        f"Clusters {ours} and {theirs} are one from now on, called {name}. Their counts are added "
        "up once a node of the one connects to a node of the other."
    )


def _check_bases(node: Client, other: Client) -> None:
    """Raises `CallError` if a join would lose views.

    Nodes with the same folds take the larger of each number in their bases. That is right if what
    is in the one base is also in the other, or if one is empty. The bases of two clusters that
    never were one would have to be added up. A cluster that was one with the other has at least
    one fold in common with it: a name that is missing folds nothing, and isn't folded.
    """
    folds = []
    for one in (node, other):
        state = one.cluster()
        if not _field(one, _field(one, state, "base"), "views"):
            return
        folds.append({(each["node"], each["generation"]) for each in _field(one, state, "folded")})
    if not folds[0] & folds[1]:
        raise CallError(
            "both clusters have folded views into their base. Joined, they would keep only the "
            "larger number of each video, and not the sum. Run `ratchet export` at the one, stop "
            "its nodes, run `ratchet import` at the other, and start the stopped nodes on empty "
            "disks"
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
