"""`retire`: the operator's word that a node won't come back, and what is at stake before it."""

from ratchet import names, strict_json
from ratchet.names import Invalid
from ratchet.replica import Refused, Replica
from ratchet.slot import Slot

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal
from ratchet_server.crash_points import reached
from ratchet_server.http.errors import ApiError
from ratchet_server.http.refusals import told

_MAX_BODY = 1000
_STATUS = {"unknown": 404, "living": 409}


async def retire(keeper: Keeper, body: bytes) -> dict[str, object]:
    """Do what `body` asks for, ``{"node": name}``, and tell what each node holds of it.

    Returns when it is on disk. With ``"check": true`` beside it nothing is changed. Raises
    `ApiError`.
    """
    node, check = _asked(body)
    replica = keeper.replica
    try:
        replica.may_retire(node)
    except Refused as refused:
        code = f"{refused.code}_node"
        raise ApiError(_STATUS[refused.code], code, f"{refused}.") from None
    stakes = {"node": node, "closed": replica.heard[node], "slots": _slots(replica, node)}
    if check:
        return {**stakes, "advice": _advice(replica, node)}
    replica.retire(node)
    reached("retire-decided")
    try:
        await keeper.written()
    except Refusal as refusal:
        why = told(refusal)
        message = f"{node} is retired, and the others hear of it, but not on this node's disk: "
        raise ApiError(503, why.code, f"{message}{why.message}", retry_after_s=1) from None
    reached("retire-written")
    return {**stakes, "advice": _advice(replica, node)}


def _asked(body: bytes) -> tuple[str, bool]:
    try:
        text = body.decode()
        said = strict_json.record(strict_json.loads(text, _MAX_BODY), "node", optional=("check",))
        node, check = names.node(said["node"]), said.get("check", False)
        if not isinstance(check, bool):
            raise Invalid(f"check is true or false, not {names.shown(check)}")
    except (Invalid, UnicodeDecodeError) as error:
        message = f'The body is {{"node": "<name>"}}: {error}.'
        raise ApiError(400, "bad_retire", message) from None
    return node, check


def _slots(replica: Replica, node: str) -> list[dict[str, object]]:
    return [
        {
            "slot": str(slot),
            "views": column.views,
            "held": _held(replica, slot),
            "said": replica.most_heard(slot),
        }
        for slot, column in replica.columns.items()
        if slot.node == node
    ]


def _held(replica: Replica, slot: Slot) -> dict[str, int]:
    """Up to where each connected node has `slot` on disk."""
    held = {replica.node: replica.columns[slot].durable}
    for peer in replica.peers:
        held[peer.hello.node] = max(peer.claim(slot), held.get(peer.hello.node, 0))
    return held


def _advice(replica: Replica, node: str) -> str:
    lacking = sum(
        replica.most_heard(slot) - max(_held(replica, slot).values())
        for slot in replica.columns
        if slot.node == node
    )
    if lacking > 0:
        return (
            f"{lacking} changes that {node} was known to have are on no connected node. They are "
            f"lost, unless {node} comes back within the grace of {replica.grace_s:.0f} s."
        )
    return (
        f"All that anybody ever heard of {node} is here. What it counted while it was cut off is "
        f"lost, unless it comes back within the grace of {replica.grace_s:.0f} s."
    )
