"""`retire`: an operator declares that a node won't come back. A check first shows what could be
lost."""

import time
from typing import Any

from ratchet import names, strict_json
from ratchet.members import Refused
from ratchet.names import Invalid

from ratchet_server.counting.keeper import Keeper
from ratchet_server.crash_points import reached
from ratchet_server.http.errors import ApiError
from ratchet_server.http.written import written
from ratchet_server.operator.retirement import stakes

_MAX_BODY = 1000
_STATUS = {"unknown": 404, "living": 409}


async def retire(keeper: Keeper, body: bytes) -> dict[str, Any]:
    """Retire the node that `body` names, ``{"node": name}``. Returns which of its rows each node
    has, once the retirement is on disk. If `body` also has ``"check": true``, nothing changes.
    Raises `ApiError`.
    """
    node, check = _parse(body)
    replica = keeper.replica
    try:
        replica.members.check_may_retire(node)
    except Refused as refused:
        code = f"{refused.code}_node"
        raise ApiError(_STATUS[refused.code], code, f"{refused}.") from None
    if not check:
        replica.cluster.retire(node)
        reached("retire-decided")
    # Look now, before any await: the next heartbeat may fold the slots.
    at_stake = stakes(replica.observe(), node, time.time(), check=check).json()
    if check:
        return at_stake
    await written(
        keeper,
        f"{node} is retired, and other nodes will learn of it, but this node could not write "
        "that to its disk. Make sure that its disk has room, and retire the node again.",
    )
    reached("retire-written")
    return at_stake


def _parse(body: bytes) -> tuple[str, bool]:
    try:
        value = strict_json.loads(body.decode(), _MAX_BODY)
        fields = strict_json.record(value, "node", optional=("check",))
        node, check = names.node(fields["node"]), fields.get("check", False)
        if not isinstance(check, bool):
            raise Invalid(f"check must be true or false, not {names.shown(check)}")
    except (Invalid, UnicodeDecodeError) as error:
        message = f'The body must be {{"node": "<name>"}}: {error}.'
        raise ApiError(400, "bad_retire", message) from None
    return node, check
