"""`retire`: the operator's word that a node won't come back, and what is at stake before it."""

from ratchet import names, strict_json
from ratchet.members import Refused
from ratchet.names import Invalid
from ratchet.observation import Observation, ObservedSlot

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
        replica.members.check_may_retire(node)
    except Refused as refused:
        code = f"{refused.code}_node"
        raise ApiError(_STATUS[refused.code], code, f"{refused}.") from None
    # Before it is retired: a slot may be folded a moment later.
    seen = replica.observe()
    stakes: dict[str, object] = {
        "node": node,
        "closed": seen.newest[node],
        "slots": _slots(seen, node),
    }
    stakes["advice"] = _advice(seen, node)
    if check:
        return stakes
    replica.retire(node)
    reached("retire-decided")
    try:
        await keeper.written()
    except Refusal as refusal:
        why = told(refusal)
        message = f"{node} is retired, and the others hear of it, but not on this node's disk: "
        raise ApiError(503, why.code, f"{message}{why.message}", retry_after_s=1) from None
    reached("retire-written")
    return stakes


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


def _slots(seen: Observation, node: str) -> list[dict[str, object]]:
    return [
        {
            "slot": str(each.slot),
            "views": each.views,
            "held": dict(each.held),
            "said": each.reported,
        }
        for each in _of(seen, node)
    ]


def _advice(seen: Observation, node: str) -> str:
    lacking = sum(each.reported - max(each.held.values()) for each in _of(seen, node))
    grace = f"the grace of {seen.grace_s:.0f} s"
    if lacking > 0:
        return (
            f"{lacking} changes that {node} was known to have are on no connected node. They are "
            f"lost, unless {node} comes back within {grace}."
        )
    return (
        f"All that anybody ever heard of {node} is here. What it counted while it was cut off is "
        f"lost, unless it comes back within {grace}."
    )


def _of(seen: Observation, node: str) -> list[ObservedSlot]:
    """The slots of `node` in which something was counted, and that are not folded."""
    return [
        each
        for each in seen.slots
        if each.slot.node == node and each.state != "lifting" and each.reported
    ]
