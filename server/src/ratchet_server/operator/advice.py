"""What is wrong in a cluster and the command that mends it, in sentences for a tired operator.

Made from what `/api/cluster` says, and from nothing else. Where a command mends it, the sentence
ends with the command, so that it can be copied, and the page can set it apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ratchet_server.operator.humanize import counted, duration, listed

State = Mapping[str, Any]

# Where a command starts in a sentence that ends with one.
_COMMAND: Final = ": ratchet "


def split(text: str) -> tuple[str, str | None]:
    """What `advice` says, and the command in it, if there is one."""
    said, found, command = text.rpartition(_COMMAND)
    return (f"{said}:", f"ratchet {command}") if found else (text, None)


def obstacle(kind: str, node: str, amount: float, here: str) -> str:
    """Why a fold waits, as node `here` sees it. `amount` counts rows or seconds, by the kind."""
    match kind:
        case "grace":
            return (
                f"They were closed only lately, and wait for {duration(amount)} more, in case "
                "somebody who is cut off still has rows of them."
            )
        case "missing":
            return (
                f"{node} has not been heard for {duration(amount)}, and may have views of them "
                "that nobody else has."
            )
        case "unmet":
            return (
                f"{here} was given {counted(round(amount), 'peer')} whom it has never met, and who "
                "may have views that nobody else has. Start them, or leave out their --peer."
            )
        case "far":
            return (
                f"{node} is alive, but not connected to {here}: {here} can't tell what {node} has."
            )
        case "unaware":
            return f"{node} has not yet said that it knows of their closing."
        case "behind":
            rows = counted(round(amount), "row")
            return f"{here} and {node} have not got the same rows of them yet: {rows} to go."
        case "unsettled":
            return f"{node} is still writing or fetching rows of them."
        case _:  # A newer node's word for something that this version doesn't know.
            return f"{node}: {kind}."


def advice(state: State, via: str) -> list[str]:
    """What an operator should do, the most pressing first; nothing when all is well.

    `via` is an address of this node that works for whoever asks.
    """
    return [*_missing(state, via), *_far(state), *_twice(state), *_unreached(state)]


def _missing(state: State, via: str) -> list[str]:
    members: Sequence[State] = state["members"]
    missing = {m["node"]: m for m in members if m["state"] == "missing"}
    present = {m["node"] for m in members} - missing.keys()
    blocked = {
        node: [fold["node"] for fold in state["folds"] if _blocks(node, fold)] for node in missing
    }
    said = {}
    for node, member in missing.items():
        unheard = duration(state["time"] - member["since"])
        said[node] = f"{node} has not been heard for {unheard}."
        if names := blocked[node]:
            said[node] += f" Until it is, no closed slots of {listed(names)} can be folded."
    if len(missing) > len(present):
        # A node that is cut off would advise to retire everybody else.
        others = listed(list(missing))
        return [
            *said.values(),
            f"Most of the cluster ({others}) can't be heard from {state['node']}: perhaps it is "
            f"{state['node']} that is cut off. Look at the network, and ask the others how they "
            "see it, before you retire any of them.",
        ]
    return [
        f"{text} Start it again, or mend its network. If it won't come back: "
        f"ratchet retire {node} --via {via}"
        for node, text in said.items()
    ]


def _blocks(node: str, fold: State) -> bool:
    return any(o["kind"] == "missing" and o["node"] == node for o in fold["obstacles"])


def _far(state: State) -> list[str]:
    here = state["node"]
    return [
        f"{m['node']} is alive, but {here} and {m['node']} are not connected; {here} hears of it "
        f"through others. Let them reach each other ({m['url'] or 'its address is not known'}), "
        f"with the same secret. How it looks from there: ratchet status {m['url']}"
        if m["url"]
        else f"{m['node']} is alive, but {here} and {m['node']} are not connected."
        for m in state["members"]
        if m["state"] == "heard"
    ]


def _twice(state: State) -> list[str]:
    alive = [m["node"] for m in state["members"] if m["state"] != "missing"]
    return [
        f"{alive.count(node)} processes run under the name {node}. The newest goes on, and the "
        "older hands over its views and stops by itself. If this wasn't you: find out who starts "
        f"the second one, and give it a name of its own."
        for node in dict.fromkeys(alive)
        if alive.count(node) > 1
    ]


def _unreached(state: State) -> list[str]:
    return [
        f"Nobody has ever answered {state['node']} at {url}. If a node should be there: does it "
        "run, is the address right, and is the network open? If not, take it out of --peer."
        for url in state.get("unreached", ())
    ]
