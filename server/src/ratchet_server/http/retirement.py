"""`retire`: the operator's word that a node won't come back, and what is at stake before it."""

import time
from typing import Any

from ratchet import names, strict_json
from ratchet.members import Refused
from ratchet.names import Invalid

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal
from ratchet_server.crash_points import reached
from ratchet_server.http.errors import ApiError
from ratchet_server.http.refusals import told
from ratchet_server.operator.retirement import stakes

_MAX_BODY = 1000
_STATUS = {"unknown": 404, "living": 409}


async def retire(keeper: Keeper, body: bytes) -> dict[str, Any]:
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
    if not check:
        replica.cluster.retire(node)
        reached("retire-decided")
    # In the same step: the next heartbeat may fold the slots.
    at_stake = stakes(replica.observe(), node, time.time(), check=check).json()
    if check:
        return at_stake
    try:
        await keeper.written()
    except Refusal as refusal:
        why = told(refusal)
        message = f"{node} is retired, and the others hear of it, but not on this node's disk: "
        raise ApiError(503, why.code, f"{message}{why.message}", retry_after_s=1) from None
    reached("retire-written")
    return at_stake


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
